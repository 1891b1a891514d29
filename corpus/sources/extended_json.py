"""MongoDB filters in JSON: dates, ObjectIds and similar values in extended JSON, such as `{"$date": …}`.

Dates need no pymongo, so that recipes can be checked without it; other values import it on use.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from assay.corpus.errors import first_line
from assay.corpus.extras import install_command

if TYPE_CHECKING:
    from bson.json_util import JSONOptions

# Values only: code and patterns must stay operators, which are rejected.
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

OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


def from_extended(value: Any) -> Any:
    """Decode extended JSON inside a value; every date becomes a time in UTC with milliseconds, as in MongoDB.

    Raises:
        ValueError: invalid extended JSON, or pymongo, which decodes it, is not installed.
    """
    if isinstance(value, Mapping):
        inner = {key: from_extended(item) for key, item in value.items()}
        return _read(inner) if _is_value(inner) else inner
    if isinstance(value, list | tuple):
        return [from_extended(item) for item in value]
    return _time(value) if isinstance(value, date) else value


def to_extended(value: Any) -> Any:
    """Encode a value in relaxed extended JSON; JSON values stay as they are."""
    if isinstance(value, Mapping):
        return {key: to_extended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_extended(item) for item in value]
    if isinstance(value, date):
        time = _time(value)
        digits = "milliseconds" if time.microsecond else "seconds"
        return {"$date": time.isoformat(timespec=digits).replace("+00:00", "Z")}
    if value is None or isinstance(value, str | int | float):
        return value
    from bson import json_util

    return json_util.default(value, _options())


MongoFilter = Annotated[
    dict[str, Any],
    BeforeValidator(from_extended),
    PlainSerializer(to_extended, return_type=dict[str, Any], when_used="json"),
]
"""A filter in a pydantic model: Python values in memory, extended JSON in its JSON."""


def _options() -> "JSONOptions":
    """Return relaxed extended JSON with times in UTC, and UUIDs as such instead of bytes."""
    from bson import json_util
    from bson.binary import UuidRepresentation

    return json_util.RELAXED_JSON_OPTIONS.with_options(
        tz_aware=True, tzinfo=UTC, uuid_representation=UuidRepresentation.STANDARD
    )


def _is_value(mapping: Mapping[str, Any]) -> bool:
    """Return whether a mapping is one value only: pymongo's decoder would drop further keys, which may be operators."""
    names = set(mapping) - {"$type"}  # accompanies $binary
    return len(names) == 1 and names <= VALUES


def _is_object_id(text: Any) -> bool:
    return isinstance(text, str) and OBJECT_ID.fullmatch(text) is not None


def _time(value: date) -> datetime:
    """Return a time in UTC with milliseconds.

    Raises:
        ValueError: the time is outside the years 1 to 9999 in UTC.
    """
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        time = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError(f"{value.isoformat()} is outside the years 1 to 9999 in UTC") from None
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _read(value: dict[str, Any]) -> Any:
    if isinstance(date_text := value.get("$date"), str):
        try:
            return _time(datetime.fromisoformat(date_text))
        except ValueError as error:
            raise ValueError(f"{value!r:.200} is not a time in ISO 8601: {error}") from error
    if "$oid" in value and not _is_object_id(value["$oid"]):
        raise ValueError(f"{value!r:.200} is not an ObjectId, which has 24 hexadecimal digits in quotes")
    try:
        from bson import json_util
    except ImportError:
        raise ValueError(
            f"{value!r:.200} needs pymongo, which is not installed; run {install_command('mongo')}"
        ) from None
    try:
        decoded = json_util.object_hook(value, _options())
    except Exception as error:  # pymongo's decoder checks little: malformed values fail where they are used
        raise ValueError(f"{value!r:.200} is not extended JSON: {first_line(error)}") from error
    return _time(decoded) if isinstance(decoded, date) else decoded
