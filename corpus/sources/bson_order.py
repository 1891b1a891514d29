"""Sort order of MongoDB values of different types, and filters for ranges of `_id` in that order."""

import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

# Aliases of `$type`, from the lowest type to the highest; types on one line compare with each other.
BSON_ORDER = (
    ("minKey",),
    ("null",),
    ("number",),
    ("string", "symbol"),
    ("object",),
    ("binData",),
    ("objectId",),
    ("bool",),
    ("date",),
    ("timestamp",),
    ("regex",),
    ("javascript",),
    ("javascriptWithScope",),
    ("maxKey",),
)
# Types with a single value, so that no value of the same type sorts after it.
SINGLE = frozenset({"minKey", "null", "maxKey"})


def id_range_after(last_id: Any) -> dict[str, Any]:
    """Return the filter for every `_id` that sorts after `last_id`.

    `$gt` compares within one type only, so the filter also names the types that sort later.
    """
    name = bson_type(last_id)
    position = next(index for index, names in enumerate(BSON_ORDER) if name in names)
    later = {"_id": {"$type": [alias for names in BSON_ORDER[position + 1 :] for alias in names]}}
    if name == "maxKey":
        return {"_id": {"$in": []}}
    if name in SINGLE:
        return later
    if _is_nan(last_id):
        # NaN is the lowest number, and `$gt` matches no number against it.
        return {"$or": [{"_id": {"$type": "number", "$ne": last_id}}, later]}
    return {"$or": [{"_id": {"$gt": last_id}}, later]}


def id_range_until(last_id: Any) -> dict[str, Any]:
    """Return the filter for every `_id` that sorts up to `last_id`, included."""
    name = bson_type(last_id)
    if name == "maxKey":
        return {}
    position = next(index for index, names in enumerate(BSON_ORDER) if name in names)
    parts: list[dict[str, Any]] = [{"_id": {"$lte": last_id}}]
    if name == "number":
        parts.append({"_id": math.nan})  # the lowest number, which `$lte` does not match
    if position:
        parts.append({"_id": {"$type": [alias for names in BSON_ORDER[:position] for alias in names]}})
        parts.append({"_id": None})  # by value, too, for servers that do not accept it as a type
    return {"$or": parts}


def id_range_between(after: Any, last: Any) -> dict[str, Any]:
    """Return the filter for every `_id` that sorts after `after` and up to `last`, included.

    If both are of one type, the filter is a single range of the `_id` index.
    """
    if bson_type(after) == bson_type(last) and bson_type(after) not in SINGLE and not _is_nan(after):
        return {"_id": {"$gt": after, "$lte": last}}
    return {"$and": [id_range_after(after), id_range_until(last)]}


def bson_type(value: Any) -> str:
    """Return the `$type` alias of a decoded value, as listed in `BSON_ORDER`.

    Raises:
        TypeError: a BSON document cannot hold the value.
    """
    for types, name in _types():
        if isinstance(value, types):
            return name
    raise TypeError(f"{type(value).__name__} is not a BSON type")


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _types() -> Iterator[tuple[Any, str]]:
    """Yield Python types with their alias, subclasses before their bases: bool is an int, Code a str."""
    from bson import DBRef, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp
    from bson.code import Code
    from bson.datetime_ms import DatetimeMS

    yield type(None), "null"
    yield bool, "bool"
    yield (int, float, Decimal128), "number"
    yield Code, "javascript"
    yield str, "string"
    yield (bytes, UUID), "binData"
    yield ObjectId, "objectId"
    yield (datetime, DatetimeMS), "date"
    yield (dict, DBRef), "object"
    yield Timestamp, "timestamp"
    yield (Regex, re.Pattern), "regex"
    yield MinKey, "minKey"
    yield MaxKey, "maxKey"
