import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bson import ObjectId
from pymongo import MongoClient

from assay.corpus.errors import AssayError
from assay.serving.batch.chunks import RowChunk
from assay.serving.batch.mongo_target import MongoTarget
from assay.serving.batch.scan import Column
from assay.serving.engine import Engine, Row
from assay.serving.prediction_options import PredictionOptions
from tests.mongo import Mongo


def _documents(mongo: Mongo) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](mongo.uri) as client:
        return list(client[mongo.database]["out"].find(sort=[("_id", 1)]))


def _write(target: MongoTarget, engine: Engine, rows: Sequence[dict[str, Any]], *names: str) -> dict[int, str]:
    texts = [row["text"] for row in rows]
    columns = [Column(name, pa.string()) for name in names or rows[0]]
    with target.open(None, engine, columns, 0) as writer:
        chunk = RowChunk([*enumerate(map(dict, rows), 1)])
        return dict(writer.write(chunk, range(len(rows)), texts, engine.predict([*map(Row, texts)])))


def test_writer_creates_documents_once_however_often_it_writes_them(mongo: Mongo, engine: Engine) -> None:
    target = MongoTarget(mongo.query("out"), "key", from_mongo=False)
    rows: list[dict[str, Any]] = [
        {"key": 1, "text": "good", "n": float("nan")},
        {"key": "x", "text": "bad \ud83d", "n": [1]},
    ]
    for _ in range(2):
        assert _write(target, engine, rows) == {}
    first, second = _documents(mongo)
    model = {"name": "toy", "digest": engine.digest}
    assert {name: first[name] for name in ("_id", "text", "n")} == {"_id": 1, "text": "good", "n": None}
    assert (first["prediction"]["label"], first["prediction"]["model"]) == ("up", model)
    assert (second["_id"], second["text"], second["n"]) == ("x", "bad \ufffd", [1])


def test_writer_updates_only_documents_that_exist_in_place(mongo: Mongo, engine: Engine) -> None:
    mongo.fill("out", [{"_id": 1, "text": "good", "kept": True}])
    target = MongoTarget(mongo.query("out"), in_place=True, options=PredictionOptions(labels_only=True))
    # the second document was deleted meanwhile
    assert _write(target, engine, [{"_id": 1, "text": "good"}, {"_id": 2, "text": "bad"}]) == {}
    (document,) = _documents(mongo)
    assert (document["kept"], document["prediction"]["label"]) == (True, "up")
    assert "probabilities" not in document["prediction"]


def test_writer_refuses_rows_without_an_id_by_their_index(mongo: Mongo, engine: Engine) -> None:
    target = MongoTarget(mongo.query("out"), "id", from_mongo=False)
    rows: list[dict[str, Any]] = [{"text": "good"}, {"id": 7, "text": "good"}, {"id": None, "text": "bad"}]
    refused = _write(target, engine, rows, "id", "text")
    reason = "id is missing; add it, or name another column with --id"
    assert refused == {0: reason, 2: reason}
    assert [document["_id"] for document in _documents(mongo)] == [7]


def test_writer_names_the_index_of_a_document_that_bson_cannot_hold(mongo: Mongo, engine: Engine) -> None:
    target = MongoTarget(mongo.query("out"), "id", from_mongo=False)
    rows: list[dict[str, Any]] = [
        {"text": "good"},
        {"id": 1, "text": "good", "a": {"zero \0": 1}},
        {"id": 2, "text": "bad"},
    ]
    refused = _write(target, engine, rows, "id", "text", "a")
    assert sorted(refused) == [0, 1]
    assert [document["_id"] for document in _documents(mongo)] == [2]


def test_writer_takes_none_for_an_id_of_mongodb(mongo: Mongo, engine: Engine) -> None:
    assert _write(MongoTarget(mongo.query("out")), engine, [{"_id": None, "text": "good"}]) == {}
    assert [document["_id"] for document in _documents(mongo)] == [None]


def test_writer_reads_extended_json_in_the_id(mongo: Mongo, engine: Engine) -> None:
    target = MongoTarget(mongo.query("out"), "_id", from_mongo=False)
    rows: list[dict[str, Any]] = [
        {"_id": {"$oid": "a" * 24}, "text": "good"},
        {"_id": {"a": 1}, "text": "good"},
    ]
    assert _write(target, engine, rows) == {}
    assert [document["_id"] for document in _documents(mongo)] == [{"a": 1}, ObjectId("a" * 24)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["text", "n"], "--id is 'id', but there is no such column; name one of text, n"),
        (["id", "prediction"], "the column 'prediction' cannot be a field beside the predictions in MongoDB; rename"),
        (["id", "$set"], "the column '$set' cannot be a field"),
        (["id", ""], "the column '' cannot be a field"),
        (["id", "a.b"], "the column 'a.b' cannot be a field"),
    ],
)
def test_open_refuses_columns_that_can_be_no_fields(
    mongo: Mongo, engine: Engine, names: list[str], message: str
) -> None:
    target = MongoTarget(mongo.query("out"), "id", from_mongo=False)
    columns = [Column(name, pa.string()) for name in names]
    with pytest.raises(AssayError, match=re.escape(message)), target.open(None, engine, columns, 0):
        raise AssertionError("the target is open")


def test_target_has_no_files_and_an_identity_of_its_collection(mongo: Mongo) -> None:
    target = MongoTarget(mongo.query("out"))
    assert (target.name, target.layout, target.suffix) == (f"{mongo.database}.out", "raw", None)
    with target.publish() as path:
        assert path is None
    target.join([], Path())
    assert MongoTarget(mongo.query("out"), "key").identity() != target.identity()
    assert MongoTarget(mongo.query("out"), options=PredictionOptions(top_k=1)).identity() != target.identity()
    assert MongoTarget(mongo.query("out"), in_place=True).identity() == target.identity()
