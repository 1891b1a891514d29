from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from assay.corpus.errors import AssayError
from assay.corpus.sources.mongo_connection import connect, open_collection
from assay.corpus.sources.mongo_updates import DUPLICATE, TRIES, set_fields
from tests.mongo import Mongo


class Flaky:
    """A collection in front of a real one, whose bulk writes fail with the given errors first."""

    def __init__(self, collection: Any, *faults: Exception) -> None:
        self.collection = collection
        self.faults = list(faults)

    def bulk_write(self, operations: list[Any], ordered: bool) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.collection.bulk_write(operations, ordered=ordered)


def write_error(code: int, index: int) -> BulkWriteError:
    return BulkWriteError({"writeErrors": [{"index": index, "code": code, "errmsg": "Document failed\nvalidation"}]})


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.corpus.sources.mongo_updates.FIRST_PAUSE_S", 0)


def put(mongo: Mongo, updates: list[Any], *faults: Exception, make: bool = True) -> tuple[dict[int, str], list[Any]]:
    query = mongo.query("predictions")
    with connect(query) as client:
        collection = open_collection(client, query)
        flaky: Any = Flaky(collection, *faults)
        return set_fields(flaky, query, updates, make=make), list(collection.find(sort=[("_id", 1)]))


def test_set_fields_inserts_or_updates_documents(mongo: Mongo) -> None:
    mongo.fill("predictions", [{"_id": 1, "size": 3, "label": "old"}])
    rejected, documents = put(mongo, [(1, {"label": "up"}), (2, {"label": "down"})])
    assert not rejected
    assert documents == [{"_id": 1, "size": 3, "label": "up"}, {"_id": 2, "label": "down"}]


def test_set_fields_skips_missing_documents_on_request(mongo: Mongo) -> None:
    mongo.fill("predictions", [{"_id": 1}])
    assert put(mongo, [(1, {"label": "up"}), (2, {"label": "down"})], make=False) == ({}, [{"_id": 1, "label": "up"}])


def test_set_fields_retries_after_a_broken_connection(mongo: Mongo) -> None:
    rejected, documents = put(mongo, [(1, {"a": 1})], AutoReconnect("gone"), AutoReconnect("gone"))
    assert (rejected, documents) == ({}, [{"_id": 1, "a": 1}])


def test_set_fields_fails_with_one_line_if_the_connection_stays_broken(mongo: Mongo) -> None:
    with pytest.raises(AssayError, match=r"MongoDB at \S+ cannot be reached"):
        put(mongo, [(1, {"a": 1})], *[AutoReconnect("gone")] * 5)


def test_set_fields_returns_what_the_server_rejects(mongo: Mongo) -> None:
    rejected, _ = put(mongo, [(1, {"a": 1}), (2, {"a": 1})], write_error(121, 1))
    assert rejected == {1: "rejected by MongoDB: Document failed validation"}


def test_set_fields_retries_after_a_concurrent_insert(mongo: Mongo) -> None:
    rejected, documents = put(mongo, [(1, {"a": 1}), (2, {"a": 2})], write_error(11000, 1))
    assert (rejected, documents) == ({}, [{"_id": 2, "a": 2}])


def test_set_fields_rejects_only_what_bson_cannot_hold(mongo: Mongo) -> None:
    updates = [(number, {"a": number}) for number in range(9)]
    updates[4] = (4, {"a": {b"bytes": 1}})  # type: ignore[dict-item]
    rejected, documents = put(mongo, updates)
    assert list(rejected) == [4]
    assert rejected[4].startswith("InvalidDocument: ")
    assert [document["_id"] for document in documents] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_set_fields_takes_an_id_like_an_operator_literally(mongo: Mongo) -> None:
    mongo.fill("predictions", [{"_id": ObjectId("a" * 24), "a": "untouched"}])
    _, documents = put(mongo, [({"n": {"$ne": None}}, {"a": 1})])
    assert documents[-1]["a"] == "untouched"


def test_set_fields_writes_again_what_is_not_durable(mongo: Mongo) -> None:
    undurable = BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "timed out"}]})
    rejected, documents = put(mongo, [(1, {"a": 1}), (2, {"a": 2})], undurable)
    assert (rejected, documents) == ({}, [{"_id": 1, "a": 1}, {"_id": 2, "a": 2}])


def test_set_fields_gives_up_on_an_id_that_others_insert_again_and_again(mongo: Mongo) -> None:
    taken = [write_error(DUPLICATE, 0) for _ in range(TRIES)]
    rejected, documents = put(mongo, [(1, {"a": 1})], *taken)
    assert (rejected, documents) == ({0: "the _id already exists and cannot be written"}, [])


def test_set_fields_writes_again_where_the_driver_says_that_it_may(mongo: Mongo) -> None:
    moved = OperationFailure("not primary", 10107, {"errorLabels": ["RetryableWriteError"]})
    assert put(mongo, [(1, {"a": 1})], moved) == ({}, [{"_id": 1, "a": 1}])
    refused = OperationFailure("no rights on news", 13)
    with pytest.raises(AssayError, match="no rights on news"):
        put(mongo, [(1, {"a": 2})], refused)
