import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from bson import Decimal128, MaxKey, MinKey, ObjectId, Timestamp
from pydantic import BaseModel, ValidationError

from assay.corpus.sources.extended_json import MongoFilter, from_extended, to_extended

WEST = timezone(-timedelta(hours=5))
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)


class Settings(BaseModel):
    filter: MongoFilter


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ({"$date": "2024-05-31T12:00:00Z"}, NOON),
        ({"$date": "2024-05-31T07:00:00-05:00"}, NOON),
        ({"$date": "2024-05-31"}, datetime(2024, 5, 31, tzinfo=UTC)),
        ({"$date": {"$numberLong": "1717156800000"}}, NOON),
        ({"$date": 1717156800000}, NOON),
        ({"$oid": "a" * 24}, ObjectId("a" * 24)),
        ({"$numberLong": "7"}, 7),
        ({"$numberDouble": "-Infinity"}, -math.inf),
        ({"$numberDecimal": "1.50"}, Decimal128("1.50")),
        ({"$binary": {"base64": "AA==", "subType": "00"}}, b"\0"),
        ({"$binary": "AA==", "$type": "00"}, b"\0"),  # as written before version 2
        ({"$uuid": str(UUID(int=5))}, UUID(int=5)),
        ({"$timestamp": {"t": 1, "i": 2}}, Timestamp(1, 2)),
        ({"$minKey": 1}, MinKey()),
        ({"$maxKey": 1}, MaxKey()),
        (date(2024, 5, 31), datetime(2024, 5, 31, tzinfo=UTC)),  # YAML reads dates
        (datetime(2024, 5, 31, 12), NOON),
        (datetime(2024, 5, 31, 7, tzinfo=WEST), NOON),
        (NOON.replace(microsecond=123_999), NOON.replace(microsecond=123_000)),
    ],
    ids=str,
)
def test_from_extended_decodes_values_at_any_depth(value: Any, decoded: Any) -> None:
    assert from_extended(value) == decoded
    assert from_extended({"a": [{"$in": [value]}]}) == {"a": [{"$in": [decoded]}]}


@pytest.mark.parametrize(
    "value",
    [
        {"$gt": 1},
        {"$where": "1"},
        {"$regularExpression": {"pattern": "a", "options": ""}},  # patterns and code stay operators
        {"$code": "f()"},
        {"$date": "2024-05-31", "$gt": 1},  # an operator beside a value is not dropped
        {"$type": "string"},
        {},
        "$date",
        None,
        7,
    ],
    ids=str,
)
def test_from_extended_leaves_operators_and_json_alone(value: Any) -> None:
    assert from_extended(value) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"$date": "yesterday"}, "'yesterday'} is not a time in ISO 8601"),
        ({"$date": "9999-12-31T23:00:00-05:00"}, "is outside the years 1 to 9999 in UTC"),
        ({"$date": {"$numberLong": "99999999999999999"}}, "is not extended JSON"),
        ({"$date": None}, "is not extended JSON"),
        ({"$oid": 5}, "'.oid': 5} is not an ObjectId, which has 24 hexadecimal digits in quotes"),
        ({"$oid": "65937b80a1b2c3d4e5f6000g"}, "is not an ObjectId, which has 24 hexadecimal digits in quotes"),
        ({"$numberInt": 5}, "is not extended JSON"),
        ({"$numberDecimal": "1e99999999"}, "is not extended JSON"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "0001-01-01T00:00:00.05:00 is outside the years 1 to"),
    ],
    ids=str,
)
def test_from_extended_names_a_value_that_cannot_be_decoded(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        from_extended({"a": [value]})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (NOON, {"$date": "2024-05-31T12:00:00Z"}),
        (NOON.replace(microsecond=5_000), {"$date": "2024-05-31T12:00:00.005Z"}),
        (date(2024, 5, 31), {"$date": "2024-05-31T00:00:00Z"}),
        (ObjectId("a" * 24), {"$oid": "a" * 24}),
        (UUID(int=5), {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAABQ==", "subType": "04"}}),
        ((1, "a", None, True, 0.5), [1, "a", None, True, 0.5]),
        ({"$in": [NOON]}, {"$in": [{"$date": "2024-05-31T12:00:00Z"}]}),
    ],
    ids=str,
)
def test_to_extended_is_what_from_extended_reads(value: Any, encoded: Any) -> None:
    assert to_extended(value) == encoded
    assert to_extended(from_extended(encoded)) == encoded


def test_mongo_filter_holds_values_in_memory_and_extended_json_in_its_json() -> None:
    filter_ = {"at": {"$gte": {"$date": "2024-05-31T12:00:00Z"}}, "_id": {"$gt": {"$oid": "a" * 24}}}
    settings = Settings.model_validate({"filter": filter_})
    assert settings.filter == {"at": {"$gte": NOON}, "_id": {"$gt": ObjectId("a" * 24)}}
    assert settings.model_dump(mode="json") == {"filter": filter_}
    with pytest.raises(ValidationError, match="is not a time in ISO 8601"):
        Settings.model_validate({"filter": {"at": {"$date": "soon"}}})
