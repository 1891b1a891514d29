"""Who made an annotation, and when; and the last annotation of each person."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from assay.corpus.documents.values import UnreadableError, iso_time

T = TypeVar("T")
NEVER = datetime.min.replace(tzinfo=UTC)  # before every time that a tool says
_TIMES = ("updated_at", "created_at", "_timestamp")


def person_of(value: Any) -> str | None:
    """Return the person that a tool names, by a name, a number or an object with one; None if it names nobody."""
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("username") or value.get("id")
    return None if value in (None, "") else str(value)


def time_of(values: Mapping[str, Any]) -> datetime | None:
    """Return when an annotation was last changed, in UTC; None if the tool does not say it."""
    times = (_time(values[name]) for name in _TIMES if values.get(name))
    return next((time for time in times if time is not None), None)


def last_of_each_person(
    annotations: Iterable[T], person: Callable[[T], Hashable | None], time: Callable[[T], datetime | None]
) -> list[T]:
    """Return the last annotation of each person, in the order of their first ones; those of nobody in particular stay.

    Args:
        annotations: annotations of one text.
        person: returns who made an annotation; it may tell decisions of a person apart that do not replace each other.
        time: returns when it was made; of two without a time, or of the same time, the later in order is the last.
    """
    latest: dict[Hashable, T] = {}
    for number, annotation in enumerate(annotations):
        name = person(annotation) or number
        earlier = latest.get(name)
        if earlier is None or (time(annotation) or NEVER) >= (time(earlier) or NEVER):
            latest[name] = annotation
    return list(latest.values())


def _time(value: Any) -> datetime | None:
    try:
        text = iso_time(value, "")
        time = None if text is None else datetime.fromisoformat(text)
    except (UnreadableError, ValueError):
        return None
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)
