from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, BulkWriteError

from assay.corpus.errors import AssayError
from assay.corpus.sources.mongo_connection import connect, open_collection
from assay.corpus.sources.mongo_updates import set_fields
from tests.mongo import Mongo


class Flaky:
    """A collection in front of a real one, whose bulk writes fail as told before they reach it."""

    def __init__(self, collection: Any, *faults: Exception) -> None:
        self.collection = collection
        self.faults = list(faults)

    def bulk_write(self, orders: list[Any], ordered: bool) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.collection.bulk_write(orders, ordered=ordered)


def refusal(code: int, index: int) -> BulkWriteError:
    return BulkWriteError({"writeErrors": [{"index": index, "code": code, "errmsg": "Document failed\nvalidation"}]})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.corpus.sources.mongo_updates.FIRST_PAUSE_S", 0)


def put(mongo: Mongo, updates: list[Any], *faults: Exception, make: bool = True) -> tuple[dict[int, str], list[Any]]:
    query = mongo.query("answers")
    with connect(query) as client:
        collection = open_collection(client, query)
        flaky: Any = Flaky(collection, *faults)
        return set_fields(flaky, query, updates, make=make), list(collection.find(sort=[("_id", 1)]))


def test_documents_are_made_or_changed_and_other_fields_stay(mongo: Mongo) -> None:
    mongo.fill("answers", [{"_id": 1, "kept": True, "label": "old"}])
    refused, found = put(mongo, [(1, {"label": "up"}), (2, {"label": "down"})])
    assert not refused
    assert found == [{"_id": 1, "kept": True, "label": "up"}, {"_id": 2, "label": "down"}]


def test_documents_that_are_gone_are_not_made_again(mongo: Mongo) -> None:
    mongo.fill("answers", [{"_id": 1}])
    assert put(mongo, [(1, {"label": "up"}), (2, {"label": "down"})], make=False) == ({}, [{"_id": 1, "label": "up"}])


def test_a_broken_connection_is_tried_again(mongo: Mongo) -> None:
    refused, found = put(mongo, [(1, {"a": 1})], AutoReconnect("gone"), AutoReconnect("gone"))
    assert (refused, found) == ({}, [{"_id": 1, "a": 1}])


def test_a_connection_that_stays_broken_is_one_line(mongo: Mongo) -> None:
    with pytest.raises(AssayError, match=r"MongoDB at \S+ cannot be reached"):
        put(mongo, [(1, {"a": 1})], *[AutoReconnect("gone")] * 5)


def test_what_the_server_refuses_is_named_and_the_rest_is_done(mongo: Mongo) -> None:
    refused, _ = put(mongo, [(1, {"a": 1}), (2, {"a": 1})], refusal(121, 1))
    assert refused == {1: "refused by MongoDB: Document failed validation"}


def test_a_document_that_another_writer_made_at_the_same_moment_is_tried_again(mongo: Mongo) -> None:
    refused, found = put(mongo, [(1, {"a": 1}), (2, {"a": 2})], refusal(11000, 1))
    assert (refused, found) == ({}, [{"_id": 2, "a": 2}])


def test_what_bson_cannot_hold_costs_itself_only(mongo: Mongo) -> None:
    updates = [(number, {"a": number}) for number in range(9)]
    updates[4] = (4, {"a": {b"bytes": 1}})  # type: ignore[dict-item]
    refused, found = put(mongo, updates)
    assert list(refused) == [4]
    assert refused[4].startswith("InvalidDocument: ")
    assert [one["_id"] for one in found] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_an_id_that_looks_like_an_operator_is_taken_as_it_is(mongo: Mongo) -> None:
    mongo.fill("answers", [{"_id": ObjectId("a" * 24), "a": "untouched"}])
    _, found = put(mongo, [({"n": {"$ne": None}}, {"a": 1})])
    assert found[-1]["a"] == "untouched"
