"""Filters of MongoDB as JSON carries them: dates, ObjectIds and the like in extended JSON, such as `{"$date": …}`.

Dates need no pymongo, so that recipes can be checked without it; for the rest it is imported where it is used.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from assay.corpus.errors import first_line

# Values, and neither code nor patterns, which must stay operators that are refused.
VALUES = frozenset(
    {
        "$binary",
        "$date",
        "$maxKey",
        "$minKey",
        "$numberDecimal",
        "$numberDouble",
        "$numberInt",
        "$numberLong",
        "$oid",
        "$timestamp",
        "$uuid",
    }
)


def from_extended(value: Any) -> Any:
    """The value with extended JSON in it read; every date becomes a time in UTC, in milliseconds as MongoDB has it.

    Raises:
        ValueError: what looks like extended JSON is none, or pymongo, which reads it, is not installed.
    """
    if isinstance(value, Mapping):
        inner = {key: from_extended(one) for key, one in value.items()}
        return _read(inner) if _is_value(inner) else inner
    if isinstance(value, list | tuple):
        return [from_extended(one) for one in value]
    return _time(value) if isinstance(value, date) else value


def to_extended(value: Any) -> Any:
    """The inverse of `from_extended`, in the relaxed form; what JSON knows stays as it is."""
    if isinstance(value, Mapping):
        return {key: to_extended(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_extended(one) for one in value]
    if isinstance(value, date):
        time = _time(value)
        digits = "milliseconds" if time.microsecond else "seconds"
        return {"$date": time.isoformat(timespec=digits).replace("+00:00", "Z")}
    if value is None or isinstance(value, str | int | float):
        return value
    from bson import json_util

    return json_util.default(value, json_util.RELAXED_JSON_OPTIONS)


MongoFilter = Annotated[
    dict[str, Any],
    BeforeValidator(from_extended),
    PlainSerializer(to_extended, return_type=dict[str, Any], when_used="json"),
]
"""A filter in a model: Python's values inside, extended JSON in its JSON."""


def _is_value(mapping: Mapping[str, Any]) -> bool:
    """Whether it is one value and nothing else: a further key may be an operator, which pymongo's reader would take."""
    names = set(mapping) - {"$type"}  # stands beside $binary
    return len(names) == 1 and names <= VALUES


def _time(value: date) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    time = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _read(value: dict[str, Any]) -> Any:
    if isinstance(written := value.get("$date"), str):
        try:
            return _time(datetime.fromisoformat(written))
        except ValueError as error:
            raise ValueError(f"{value!r:.200} is no time in ISO 8601: {error}") from error
    try:
        from bson import json_util
    except ImportError:
        raise ValueError(f"{value!r:.200} needs pymongo, which is not installed; pip install 'assay[mongo]'") from None
    options = json_util.RELAXED_JSON_OPTIONS.with_options(tz_aware=True, tzinfo=UTC)
    try:
        found = json_util.object_hook(value, options)
    except Exception as error:  # pymongo's reader checks little: malformed values fail where they are used
        raise ValueError(f"{value!r:.200} is no extended JSON: {first_line(error)}") from error
    return _time(found) if isinstance(found, date) else found
