import os
import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, ObjectId
from pymongo.errors import OperationFailure

from assay.corpus.errors import AssayError
from assay.corpus.sources.bson_order import behind, between, up_to
from assay.corpus.sources.mongo import read_mongo, refused_operators
from assay.corpus.sources.mongo_connection import MongoQuery, user_error
from tests.mongo import Mongo

# Every type, in the order in which MongoDB sorts them, and several values of each.
MIXED_IDS: list[Any] = [
    *(None, -2.5, 3, 7, 2**40, "", "a", "b", "é", {"a": 2}, {"b": 1}),
    *(b"", b"ab", UUID(int=5)),
    *(ObjectId("0" * 24), ObjectId("f" * 24), False, True),
    *(datetime(1960, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
]


def ids(query: MongoQuery) -> list[Any]:
    return [document.values["_id"] for document in read_mongo(query)]


def test_reads_in_the_order_of_ids_only_what_is_asked_for(mongo: Mongo) -> None:
    mongo.fill("texts", [{"_id": 2, "text": "b", "size": 1}, {"_id": 1, "text": "a"}, {"_id": 3, "size": 2}])

    found = list(read_mongo(mongo.query("texts", fields=["text"])))

    assert [(one.position, dict(one.values)) for one in found] == [
        ("1", {"_id": 1, "text": "a"}),
        ("2", {"_id": 2, "text": "b"}),
        ("3", {"_id": 3}),
    ]


def test_the_server_filters(mongo: Mongo) -> None:
    documents: list[dict[str, Any]] = [
        {"_id": "kept", "Parse": [1], "isRepost": None},
        {"_id": "kept too", "Parse": [1]},
        {"_id": "empty", "Parse": [], "isRepost": None},
        {"_id": "none", "isRepost": None},
        {"_id": "repost", "Parse": [1], "isRepost": True},
    ]
    mongo.fill("parses", documents)

    filter_ = {"Parse": {"$exists": True, "$ne": []}, "isRepost": None}

    assert ids(mongo.query("parses", filter=filter_)) == ["kept", "kept too"]


@pytest.mark.parametrize("cut", [False, True], ids=["cursor lost", "connection cut"])
def test_a_broken_cursor_is_opened_behind_the_last_id(mongo: Mongo, cut: bool) -> None:
    mongo.fill("numbers", [{"_id": number, "even": number % 2 == 0} for number in range(400)])
    mongo.breakable().break_cursor_after(70, times=2, cut=cut)

    found = ids(mongo.query("numbers", filter={"even": True}, batch_size=40))

    assert found == list(range(0, 400, 2))


@pytest.mark.parametrize("after", range(1, len(MIXED_IDS)))
def test_ids_of_all_types_come_once_wherever_the_cursor_breaks(
    mongo: Mongo, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given every type of id, and a cursor that breaks after each `after` documents
    monkeypatch.setattr("assay.corpus.sources.mongo.FIRST_PAUSE_S", 0)
    mongo.fill("mixed", [{"_id": value} for value in reversed(MIXED_IDS)])
    mongo.breakable().break_cursor_after(after, times=len(MIXED_IDS))

    # when the collection is read
    found = ids(mongo.query("mixed", batch_size=2))

    # then each document came once, in order
    assert found == MIXED_IDS


def test_ids_of_all_types_have_readable_positions(mongo: Mongo) -> None:
    mongo.fill("mixed", [{"_id": ObjectId("a" * 24)}, {"_id": Binary(b"\x01\xff")}, {"_id": UUID(int=5)}])

    positions = {document.position for document in read_mongo(mongo.query("mixed"))}

    assert positions == {"a" * 24, "01ff", "00000000-0000-0000-0000-000000000005"}


def test_a_cursor_that_always_breaks_at_one_place_is_an_error(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.corpus.sources.mongo.FIRST_PAUSE_S", 0)
    mongo.fill("numbers", [{"_id": number} for number in range(10)])
    mongo.breakable().break_cursor_after(0, times=100)

    with pytest.raises(AssayError, match=r"refused to read .*\.numbers: CursorNotFound"):
        ids(mongo.query("numbers"))


def test_an_operator_that_runs_code_is_refused_before_the_server_hears_of_it() -> None:
    query = MongoQuery("mongodb://127.0.0.1:1", "d", "c", filter={"$or": [{"a": {"$not": {"$where": "1"}}}]})

    with pytest.raises(AssayError, match=r"source\.filter holds the operator '\$where'; allowed are \$all \$and"):
        list(read_mongo(query))


@pytest.mark.parametrize("name", ["$where", "$expr", "$function", "$regex", "$text", "$jsonSchema"])
def test_operators_not_on_the_list_are_found_at_any_depth(name: str) -> None:
    assert refused_operators({"$and": [{"a": 1}, {"b": {"$elemMatch": {name: 1}}}]}) == [name]


def test_operators_on_the_list_pass() -> None:
    assert not refused_operators({"a": {"$exists": True, "$ne": [], "$type": "array"}, "$nor": [{"b": {"$in": [1]}}]})


def test_an_unreachable_server_is_one_line_in_time() -> None:
    query = MongoQuery("mongodb://anna:geheim@127.0.0.1:9/?authSource=x", "d", "c", timeout_s=0.3)

    begun = time.monotonic()
    with pytest.raises(AssayError) as caught:
        list(read_mongo(query))

    assert time.monotonic() - begun < 3
    assert str(caught.value).startswith("MongoDB at 127.0.0.1:9 cannot be reached within 0.3 s; ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://anna:geheim@host:notaport",
        "mongodb://anna:ge/heim@host",
        "postgres://anna:geheim@host",
        "mongodb://anna:geheim@127.0.0.1:9",
    ],
)
def test_no_error_line_holds_the_password(uri: str) -> None:
    query = MongoQuery(uri, "d", "c", timeout_s=0.1)

    with pytest.raises(AssayError) as caught:
        list(read_mongo(query))

    shown = f"{caught.value!r} {caught.value.__cause__!r} {query!r}"
    assert "heim" not in shown
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("said", ["p%40ss", "p@ss", "anna:p%40ss", "mongodb://anna:p%40ss@host/?a=b"])
def test_what_the_server_says_is_scrubbed(said: str) -> None:
    query = MongoQuery("mongodb://anna:p%40ss@host/?a=b", "d", "c")

    line = str(user_error(query, OperationFailure(f"cannot take {said},\nsorry, full error: {{}}", code=8000)))

    assert line == "MongoDB at host refused to read d.c: OperationFailure: cannot take ***, sorry"


def test_a_refused_password_is_one_line(mongo: Mongo) -> None:
    # given a server that lets nobody in by password
    uri = mongo.breakable().uri.replace("//", "//anna:geheim@")

    with pytest.raises(AssayError) as caught:
        list(read_mongo(MongoQuery(uri, "d", "c", timeout_s=1)))

    assert "MongoDB at 127.0.0.1" in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.skipif("MONGODB_URI" in os.environ, reason="says what the stand-in does")
def test_a_missing_collection_gives_nothing(mongo: Mongo) -> None:
    assert ids(mongo.query("nothing")) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(MIXED_IDS)])
def test_ranges_of_ids_of_all_types_hold_each_once(mongo: Mongo, size: int) -> None:
    mongo.fill("mixed", [{"_id": value} for value in MIXED_IDS])
    edges = MIXED_IDS[size - 1 :: size]
    filters = [up_to(edges[0]), *(between(after, last) for after, last in pairwise(edges)), behind(edges[-1])]

    found = [ids(mongo.query("mixed", filter=filter_)) for filter_ in filters]

    assert [value for part in found for value in part] == MIXED_IDS
    assert all(len(part) == size for part in found[: len(edges)])
