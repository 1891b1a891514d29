import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from bson import ObjectId
from pymongo import MongoClient

from assay.serving.batch.chunks import RowChunk
from assay.serving.batch.mongo_source import MongoCollectionSource
from assay.serving.batch.row_sources import Layout
from assay.serving.batch.scan import Scan
from tests.mongo import MIXED_IDS, Mongo


def _source(mongo: Mongo, *fields: str, **settings: Any) -> MongoCollectionSource:
    return MongoCollectionSource(mongo.query("texts", fields=fields, **settings))


def _numbered(
    source: MongoCollectionSource, scan: Scan, shards: range, layout: Layout = "raw"
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    for shard, chunk in source.chunks(scan, shards, layout):
        assert isinstance(chunk, RowChunk)
        for number, row in chunk.numbered:
            assert isinstance(row, dict)
            yield shard, number, row


def test_scan_cuts_mixed_ids_into_shards_that_can_be_read_alone(mongo: Mongo) -> None:
    mongo.fill("texts", [{"_id": id_, "text": "good"} for id_ in reversed(MIXED_IDS)])
    source = _source(mongo, "text")

    scan = source.scan(4, "raw")

    assert (scan.rows, len(scan.starts), scan.names) == (len(MIXED_IDS), 5, ["_id", "text"])
    whole = list(_numbered(source, scan, range(5)))
    assert [row["_id"] for _, _, row in whole] == MIXED_IDS
    assert [number for _, number, _ in whole] == list(range(1, len(MIXED_IDS) + 1))
    assert whole == [row for shard in range(5) for row in _numbered(source, scan, range(shard, shard + 1))]


def test_scan_of_an_empty_collection_counts_no_rows(mongo: Mongo) -> None:
    scan = _source(mongo, "text").scan(4, "raw")
    assert (scan.rows, len(scan.starts), scan.names) == (0, 1, ["_id", "text"])


def test_chunks_leave_out_documents_that_were_inserted_behind_the_last_shard(mongo: Mongo) -> None:
    mongo.fill("texts", [{"_id": number, "n": number % 2} for number in range(8)])
    source = _source(mongo, "n", filter={"n": 1})
    scan = source.scan(4, "raw")
    mongo.fill("texts", [{"_id": 4.5, "n": 1}, {"_id": 4.6, "n": 0}, {"_id": 99, "n": 1}])
    assert scan.rows == 4
    assert [row["_id"] for _, _, row in _numbered(source, scan, range(1))] == [1, 3, 4.5, 5, 7]


def test_chunks_yield_a_shard_whose_documents_were_all_deleted(mongo: Mongo) -> None:
    mongo.fill("texts", [{"_id": number} for number in range(6)])
    source = _source(mongo)
    scan = source.scan(2, "raw")
    with MongoClient[dict[str, Any]](mongo.uri) as client:
        client[mongo.database]["texts"].delete_many({"_id": {"$in": [2, 3]}})
    sizes = [(shard, len(chunk)) for shard, chunk in source.chunks(scan, range(3), "raw")]
    assert sizes == [(0, 2), (1, 0), (2, 2)]


def test_chunks_give_values_as_the_layout_of_the_target_asks(mongo: Mongo) -> None:
    id_, when = ObjectId("a" * 24), datetime(2026, 1, 2, tzinfo=UTC)
    mongo.fill("texts", [{"_id": id_, "doc": {"body": "good", "other": 1}, "when": when, "none": None}])
    source = _source(mongo, "_id", "doc.body", "when", "none", "missing")
    scan = source.scan(4, "table")

    def row(layout: Layout) -> dict[str, Any]:
        ((_, _, row),) = _numbered(source, scan, range(1), layout)
        return row

    assert row("raw") == {"_id": id_, "doc.body": "good", "when": when, "none": None}
    assert row("json") == {
        "_id": {"$oid": "a" * 24},
        "doc.body": "good",
        "when": {"$date": "2026-01-02T00:00:00Z"},
        "none": None,
    }
    assert row("table") == {**row("json"), "_id": "a" * 24}
    assert [column.type for column in scan.columns] == [pa.string()] * len(scan.columns)


def test_identity_changes_with_filter_and_fields_and_holds_no_password(mongo: Mongo) -> None:
    source = _source(mongo, "text", filter={"when": {"$gt": datetime(2026, 1, 1, tzinfo=UTC)}})
    identity = json.dumps(source.identity())
    assert json.loads(identity) == source.identity()
    assert identity != json.dumps(_source(mongo, "text").identity())
    assert identity != json.dumps(_source(mongo, "text", "n", filter=source.query.filter).identity())
    with_password = source.query.uri.replace("mongodb://", "mongodb://anna:secret@", 1)
    other = MongoCollectionSource(mongo.query("texts").__class__(with_password, mongo.database, "texts"))
    assert "secret" not in json.dumps(other.identity())


def test_source_names_its_collection_and_its_id(mongo: Mongo) -> None:
    source = _source(mongo)
    assert (source.name, source.id_field) == (f"{mongo.database}.texts", "_id")


@pytest.mark.parametrize("rows", [1023, 1024, 1025])
def test_chunks_read_shards_that_are_larger_than_a_chunk(mongo: Mongo, rows: int) -> None:
    mongo.fill("texts", [{"_id": number} for number in range(rows)])
    source = _source(mongo)
    scan = source.scan(5000, "raw")
    assert [number for _, number, _ in _numbered(source, scan, range(1))] == list(range(1, rows + 1))
