import math
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from bson import Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS

from assay.corpus.sources.bson_order import (
    BSON_ORDER,
    bson_type,
    id_range_after,
    id_range_between,
    id_range_until,
)
from tests.mongo import MIXED_IDS, Mongo

# A value of each type, in the order in which MongoDB sorts them.
ONE_OF_EACH: list[tuple[Any, str]] = [
    (MinKey(), "minKey"),
    (None, "null"),
    (7, "number"),
    (0.5, "number"),
    (Int64(7), "number"),
    (Decimal128("7"), "number"),
    ("a", "string"),
    ({"a": 1}, "object"),
    (DBRef("c", 1), "object"),
    (b"a", "binData"),
    (UUID(int=5), "binData"),
    (ObjectId("0" * 24), "objectId"),
    (True, "bool"),
    (datetime(2026, 1, 1, tzinfo=UTC), "date"),
    (DatetimeMS(2**62), "date"),
    (Timestamp(1, 1), "timestamp"),
    (Regex("a"), "regex"),
    (re.compile("a"), "regex"),
    (Code("f()"), "javascript"),
    (MaxKey(), "maxKey"),
]
NAN = math.nan


@pytest.mark.parametrize(("value", "name"), ONE_OF_EACH, ids=lambda value: repr(value)[:30])
def test_bson_type_is_an_alias_of_the_order(value: Any, name: str) -> None:
    assert bson_type(value) == name
    assert sum(name in names for names in BSON_ORDER) == 1


def test_bson_type_refuses_what_no_document_holds() -> None:
    with pytest.raises(TypeError, match="complex is not a BSON type"):
        bson_type(1j)


def test_id_range_after_the_highest_type_is_empty() -> None:
    assert id_range_after(MaxKey()) == {"_id": {"$in": []}}
    assert id_range_until(MaxKey()) == {}


def test_id_range_after_null_holds_the_higher_types_alone() -> None:
    types = id_range_after(None)["_id"]["$type"]
    assert "null" not in types
    assert types[0] == "number"
    assert types[-1] == "maxKey"


def test_id_range_until_the_lowest_type_holds_it_alone() -> None:
    assert id_range_until(MinKey()) == {"$or": [{"_id": {"$lte": MinKey()}}]}


def test_id_range_between_two_ids_of_a_type_is_a_single_range() -> None:
    assert id_range_between(3, 7.5) == {"_id": {"$gt": 3, "$lte": 7.5}}
    assert id_range_between("a", "b") == {"_id": {"$gt": "a", "$lte": "b"}}


@pytest.mark.parametrize(("after", "last"), [(NAN, 7), (7, "a"), (None, None)])
def test_id_range_between_joins_both_ends_where_a_single_range_misses_ids(after: Any, last: Any) -> None:
    assert id_range_between(after, last) == {"$and": [id_range_after(after), id_range_until(last)]}


def found(mongo: Mongo, filter_: dict[str, Any]) -> list[Any]:
    from assay.corpus.sources.mongo import read_mongo

    return [document.values["_id"] for document in read_mongo(mongo.query("mixed", filter=filter_))]


def test_id_ranges_count_nan_as_the_lowest_number() -> None:
    # `$gt` and `$lte` of a server match no number against NaN.
    assert id_range_after(NAN)["$or"][0] == {"_id": {"$type": "number", "$ne": NAN}}
    assert {"_id": NAN} in id_range_until(7)["$or"]
    assert {"_id": NAN} not in id_range_until("a")["$or"]  # all numbers sort before a text


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(MIXED_IDS)])
def test_id_ranges_of_all_types_cover_each_id_once(mongo: Mongo, size: int) -> None:
    mongo.fill("mixed", [{"_id": value} for value in MIXED_IDS])
    edges = MIXED_IDS[size - 1 :: size]
    filters = [
        id_range_until(edges[0]),
        *(id_range_between(after, last) for after, last in pairwise(edges)),
        id_range_after(edges[-1]),
    ]

    parts = [found(mongo, filter_) for filter_ in filters]

    assert [value for part in parts for value in part] == MIXED_IDS
    assert all(len(part) == size for part in parts[: len(edges)])
