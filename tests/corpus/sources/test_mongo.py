import os
import time
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, ObjectId

from assay.corpus.errors import AssayError
from assay.corpus.sources.mongo import read_mongo, refused_operators
from assay.corpus.sources.mongo_connection import MongoQuery
from tests.mongo import MIXED_IDS, Mongo


def ids(query: MongoQuery) -> list[Any]:
    return [document.values["_id"] for document in read_mongo(query)]


def test_read_mongo_gives_the_requested_fields_in_id_order(mongo: Mongo) -> None:
    mongo.fill("texts", [{"_id": 2, "text": "b", "size": 1}, {"_id": 1, "text": "a"}, {"_id": 3, "size": 2}])

    documents = list(read_mongo(mongo.query("texts", fields=["text"])))

    assert [(document.position, dict(document.values)) for document in documents] == [
        ("1", {"_id": 1, "text": "a"}),
        ("2", {"_id": 2, "text": "b"}),
        ("3", {"_id": 3}),
    ]


def test_read_mongo_filters_on_the_server(mongo: Mongo) -> None:
    documents: list[dict[str, Any]] = [
        {"_id": "match", "Parse": [1], "isRepost": None},
        {"_id": "match too", "Parse": [1]},
        {"_id": "empty", "Parse": [], "isRepost": None},
        {"_id": "none", "isRepost": None},
        {"_id": "repost", "Parse": [1], "isRepost": True},
    ]
    mongo.fill("parses", documents)

    filter_ = {"Parse": {"$exists": True, "$ne": []}, "isRepost": None}

    assert ids(mongo.query("parses", filter=filter_)) == ["match", "match too"]


@pytest.mark.parametrize("cut", [False, True], ids=["cursor lost", "connection cut"])
def test_read_mongo_reopens_a_broken_cursor_after_the_last_id(mongo: Mongo, cut: bool) -> None:
    mongo.fill("numbers", [{"_id": number, "even": number % 2 == 0} for number in range(400)])
    mongo.breakable().break_cursor_after(70, times=2, cut=cut)

    read_ids = ids(mongo.query("numbers", filter={"even": True}, batch_size=40))

    assert read_ids == list(range(0, 400, 2))


@pytest.mark.parametrize("after", range(1, len(MIXED_IDS)))
def test_read_mongo_gives_ids_of_all_types_once_wherever_the_cursor_breaks(
    mongo: Mongo, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given every type of id, and a cursor that breaks after each `after` documents
    monkeypatch.setattr("assay.corpus.sources.mongo.FIRST_PAUSE_S", 0)
    mongo.fill("mixed", [{"_id": value} for value in reversed(MIXED_IDS)])
    mongo.breakable().break_cursor_after(after, times=len(MIXED_IDS))

    # when the collection is read
    read_ids = ids(mongo.query("mixed", batch_size=2))

    # then each document came once, in order
    assert read_ids == MIXED_IDS


def test_read_mongo_gives_readable_positions_for_all_id_types(mongo: Mongo) -> None:
    mongo.fill("mixed", [{"_id": ObjectId("a" * 24)}, {"_id": Binary(b"\x01\xff")}, {"_id": UUID(int=5)}])

    positions = {document.position for document in read_mongo(mongo.query("mixed"))}

    assert positions == {"a" * 24, "01ff", "00000000-0000-0000-0000-000000000005"}


def test_read_mongo_fails_if_the_cursor_breaks_without_progress(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.corpus.sources.mongo.FIRST_PAUSE_S", 0)
    mongo.fill("numbers", [{"_id": number} for number in range(10)])
    mongo.breakable().break_cursor_after(0, times=100)

    with pytest.raises(AssayError, match=r"refused to read .*\.numbers: CursorNotFound"):
        ids(mongo.query("numbers"))


def test_read_mongo_rejects_operators_that_run_code() -> None:
    query = MongoQuery("mongodb://127.0.0.1:1", "d", "c", filter={"$or": [{"a": {"$not": {"$where": "1"}}}]})

    with pytest.raises(AssayError, match=r"source\.filter holds the operator '\$where'; allowed are \$all \$and"):
        list(read_mongo(query))


@pytest.mark.parametrize("name", ["$where", "$expr", "$function", "$regex", "$text", "$jsonSchema"])
def test_refused_operators_finds_them_at_any_depth(name: str) -> None:
    assert refused_operators({"$and": [{"a": 1}, {"b": {"$elemMatch": {name: 1}}}]}) == [name]


def test_refused_operators_accepts_the_allow_list() -> None:
    assert not refused_operators({"a": {"$exists": True, "$ne": [], "$type": "array"}, "$nor": [{"b": {"$in": [1]}}]})


def test_read_mongo_fails_with_one_line_if_the_server_is_unreachable() -> None:
    query = MongoQuery("mongodb://anna:geheim@127.0.0.1:9/?authSource=x", "d", "c", timeout_s=0.3)

    start = time.monotonic()
    with pytest.raises(AssayError) as caught:
        list(read_mongo(query))

    assert time.monotonic() - start < 20  # the default of the driver is 30
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
def test_read_mongo_errors_hide_the_password(uri: str) -> None:
    query = MongoQuery(uri, "d", "c", timeout_s=0.1)

    with pytest.raises(AssayError) as caught:
        list(read_mongo(query))

    shown = f"{caught.value!r} {caught.value.__cause__!r} {query!r}"
    assert "heim" not in shown
    assert caught.value.__suppress_context__


def test_read_mongo_fails_with_one_line_for_a_wrong_password(mongo: Mongo) -> None:
    # given a server that lets nobody in by password
    uri = mongo.breakable().uri.replace("//", "//anna:geheim@")

    with pytest.raises(AssayError) as caught:
        list(read_mongo(MongoQuery(uri, "d", "c", timeout_s=1)))

    assert "MongoDB at 127.0.0.1" in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.skipif("MONGODB_URI" in os.environ, reason="says what the stand-in does")
def test_read_mongo_gives_nothing_for_a_missing_collection(mongo: Mongo) -> None:
    assert ids(mongo.query("nothing")) == []
