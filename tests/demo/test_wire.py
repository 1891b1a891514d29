from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, BulkWriteError, CursorNotFound, OperationFailure

from demo.wire import WireServer

Client = MongoClient[dict[str, Any]]


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer() as running:
        yield running


@pytest.fixture
def client(server: WireServer) -> Iterator[Client]:
    with Client(server.uri, serverSelectionTimeoutMS=2000) as connected:
        yield connected


def test_wire_server_inserts_and_finds_in_batches(client: Client) -> None:
    client.d.c.insert_many([{"_id": number, "even": number % 2 == 0} for number in range(2500)])

    assert client.admin.command("ping")["ok"] == 1
    assert [document["_id"] for document in client.d.c.find({"even": True}).sort("_id", 1)] == list(range(0, 2500, 2))
    assert client.d.c.find_one({"_id": 7}) == {"_id": 7, "even": False}
    assert client.list_database_names() == ["d"]
    assert client.d.list_collection_names() == ["c"]


def test_wire_server_sorts_skips_limits_and_projects(client: Client) -> None:
    client.d.c.insert_many([{"_id": n, "n": -n, "sub": {"a": n, "b": 1}, "list": [{"a": n, "b": 2}]} for n in range(9)])

    documents = list(client.d.c.find({}, {"sub.a": 1, "list.a": 1}).sort("n", 1).skip(2).limit(2))

    assert documents == [{"_id": n, "sub": {"a": n}, "list": [{"a": n}]} for n in (6, 5)]
    assert list(client.d.c.find({"_id": 3}, {"sub": 0, "list.b": 0, "_id": 0})) == [{"n": -3, "list": [{"a": 3}]}]


def test_wire_server_counts_and_aggregates(client: Client) -> None:
    client.d.c.insert_many([{"kind": "a" if number % 3 else "b"} for number in range(30)])

    assert client.d.c.count_documents({}) == 30
    assert client.d.c.count_documents({"kind": "b"}) == 10
    assert client.d.c.count_documents({"kind": "none"}) == 0
    assert client.d.c.estimated_document_count() == 30
    pipeline: list[dict[str, Any]] = [{"$group": {"_id": "$kind", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
    assert list(client.d.c.aggregate(pipeline)) == [{"_id": "a", "n": 20}, {"_id": "b", "n": 10}]


def test_wire_server_updates_replaces_deletes_and_drops(client: Client) -> None:
    client.d.c.insert_many([{"_id": number, "n": 0} for number in range(4)])

    assert client.d.c.update_many({"_id": {"$gt": 1}}, {"$set": {"n": 5}}).modified_count == 2
    assert client.d.c.update_one({"n": 0}, {"$inc": {"n": 1}}).modified_count == 1
    client.d.c.replace_one({"_id": 3}, {"m": 1})
    client.d.c.update_one({"_id": 9}, {"$set": {"n": 9}}, upsert=True)
    assert client.d.c.delete_one({"n": 0}).deleted_count == 1

    assert list(client.d.c.find().sort("_id", 1)) == [
        {"_id": 0, "n": 1},
        {"_id": 2, "n": 5},
        {"_id": 3, "m": 1},
        {"_id": 9, "n": 9},
    ]
    client.d.c.drop()
    assert client.d.c.count_documents({}) == 0


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ({"P": {"$ne": []}}, ["full", "missing", "null"]),
        ({"P": {"$exists": False}}, ["missing"]),
        ({"P": None}, ["missing", "null"]),
        ({"P.0": {"$exists": True}}, ["full"]),
        ({"P": {"$exists": True, "$ne": []}, "r": None}, ["full", "null"]),
        ({"_id": {"$gt": "full"}}, ["missing", "null"]),
        ({"_id": {"$type": ["number", "string"]}}, ["empty", "full", "missing", "null"]),
        ({"_id": {"$type": ["timestamp", "maxKey"]}}, []),
    ],
)
def test_wire_server_evaluates_difficult_filters(client: Client, filter_: dict[str, Any], expected: list[str]) -> None:
    client.d.c.insert_many(
        [{"_id": "full", "P": [1]}, {"_id": "empty", "P": []}, {"_id": "null", "P": None}, {"_id": "missing"}]
    )

    assert sorted(document["_id"] for document in client.d.c.find(filter_)) == expected
    assert client.d.c.count_documents(filter_) == len(expected)


def test_wire_server_refuses_a_duplicate_id(client: Client) -> None:
    client.d.c.insert_one({"_id": 1})

    with pytest.raises(BulkWriteError):
        client.d.c.insert_many([{"_id": 2}, {"_id": 1}, {"_id": 3}])

    assert client.d.c.count_documents({}) == 2


def test_wire_server_reports_unknown_operations(client: Client) -> None:
    with pytest.raises(OperationFailure, match="no such command"):
        client.d.command("mapReduce", "c")
    client.d.c.insert_one({"_id": 1})
    with pytest.raises(OperationFailure):
        list(client.d.c.find({"$nonsense": 1}))


@pytest.mark.parametrize(("cut", "error"), [(False, CursorNotFound), (True, AutoReconnect)])
def test_wire_server_breaks_cursors_on_request(
    server: WireServer, client: Client, cut: bool, error: type[Exception]
) -> None:
    client.d.c.insert_many([{"_id": number} for number in range(100)])
    server.break_cursor_after(30, cut=cut)
    got: list[int] = []

    with pytest.raises(error):
        got.extend(document["_id"] for document in client.d.c.find(batch_size=20))

    assert len(list(client.d.c.find())) == 100


def test_wire_server_frees_its_port() -> None:
    with WireServer() as server:
        uri = server.uri
    with Client(uri, serverSelectionTimeoutMS=200) as client, pytest.raises(AutoReconnect):
        client.admin.command("ping")
