import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson import Binary, ObjectId, json_util
from pymongo import MongoClient

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.predict import PredictionCounts, PredictionRequest, predict_request
from tests.mongo import Mongo
from tests.serving.batch.test_execution import InterruptedRunError, interrupt_after
from tests.waiting import wait_until

# Several values of every type, in the sort order of MongoDB.
MIXED_IDS: list[Any] = [
    *(None, -2.5, 3, 7, 2**40, "", "a", "b", "é", {"a": 2}, {"b": 1}),
    *(b"", b"ab", UUID(int=5)),
    *(ObjectId("0" * 24), ObjectId("f" * 24), False, True),
    *(datetime(1960, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
]


@pytest.fixture
def predict(engine: Engine, mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `predict(input, output, **options)`; `>NAME` is a collection of the test's database."""
    monkeypatch.setenv("TEST_MONGO", mongo.uri)
    monkeypatch.setattr("assay.corpus.sources.mongo.FIRST_PAUSE_S", 0)
    monkeypatch.chdir(tmp_path)

    def run(input: str, output: str, **options: Any) -> PredictionCounts:
        prefix = f"mongo:env:TEST_MONGO/{mongo.database}/"
        request = PredictionRequest(
            input.replace(">", prefix), output.replace(">", prefix), **{"shard_rows": 3, **options}
        )
        return predict_request(engine, request)

    return run


def documents(mongo: Mongo, collection: str) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](mongo.uri, uuidRepresentation="standard", tz_aware=True) as client:
        return list(client[mongo.database][collection].find(sort=[("_id", 1)]))


def texts(count: int) -> list[dict[str, Any]]:
    return [{"_id": number, "text": f"{'good' if number % 2 else 'bad'} Apple {number}"} for number in range(count)]


@pytest.mark.parametrize("target", ["out.jsonl", "out.csv", "out.parquet"])
def test_predict_request_writes_a_collection_to_a_file(mongo: Mongo, predict: Any, target: str) -> None:
    ids: list[Any] = [1, "x", ObjectId("a" * 24)]
    mongo.fill("texts", [{"_id": id_, "text": "good", "n": {"a": 1}, "other": 1} for id_ in ids])

    counts = predict(">texts", target, keep=["n"])

    assert (counts.rows, counts.errors) == (3, 0)
    if target.endswith("jsonl"):
        rows = [json_util.loads(line) for line in Path(target).read_text().splitlines()]
        assert [row["_id"] for row in rows] == ids
        assert rows[0]["n"] == {"a": 1}
    elif target.endswith("parquet"):
        rows = pq.read_table(target).to_pylist()
        assert [row["_id"] for row in rows] == ["1", "x", "a" * 24]
        assert rows[0]["n"] == '{"a": 1}'
    else:
        assert Path(target).read_text().splitlines()[0].startswith("_id,text,n,label,probability.down,probability.up,")
        rows = []
    assert all(row["label"] == "up" and "other" not in row for row in rows)


def test_predict_request_adds_predictions_to_the_documents_that_it_read(
    mongo: Mongo, predict: Any, engine: Engine
) -> None:
    mongo.fill("texts", [*texts(10), {"_id": "bad", "text": None, "kept": 1}])

    counts = predict(">texts", ">texts")

    assert (counts.rows, counts.errors) == (10, 1)
    *valid, invalid = documents(mongo, "texts")
    assert invalid == {"_id": "bad", "text": None, "kept": 1}
    assert [document["prediction"]["label"] for document in valid] == ["down", "up"] * 5
    prediction = valid[1]["prediction"]
    assert prediction["entities"][0]["text"] == "Apple"
    assert prediction["model"] == {"name": "toy", "digest": engine.digest}
    assert sorted(prediction["probabilities"]) == ["down", "up"]
    errors = [json.loads(line) for line in Path(f"{mongo.database}.texts.errors.jsonl").read_text().splitlines()]
    assert errors == [{"row": 11, "id": "bad", "reason": "text is missing; add it"}]
    assert not list(Path(".assay/predict").iterdir())


def test_predict_request_keeps_ids_of_all_types_and_can_be_repeated(mongo: Mongo, predict: Any) -> None:
    mongo.fill("mixed", [{"_id": id_, "text": "good", "deep": {"n": 1, "m": 2}} for id_ in reversed(MIXED_IDS)])

    for _ in range(2):
        assert predict(">mixed", ">predictions", keep=["deep.n"]).rows == len(MIXED_IDS)

    written = documents(mongo, "predictions")
    assert [document["_id"] for document in written] == MIXED_IDS
    assert all(row["deep"] == {"n": 1} and row["prediction"]["label"] == "up" for row in written)


@pytest.mark.parametrize("output", ["out.jsonl", ">predictions", ">texts"])
def test_predict_request_resumes_a_collection_after_its_last_shard(
    mongo: Mongo, predict: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    mongo.fill("texts", texts(20))
    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        interrupt_after(engine, 10, patch)
        predict(">texts", output)
    # documents that are inserted meanwhile: before, between and after the others
    mongo.fill("texts", [{"_id": id_, "text": "good"} for id_ in (-1, 15.5, 99)])

    counts = predict(">texts", output)

    # then the new document within a pending shard is predicted, and no document twice
    assert (counts.rows, counts.resumed) == (21, 9)
    if output == "out.jsonl":
        ids = [json.loads(line)["_id"] for line in Path(output).read_text().splitlines()]
    else:
        ids = [document["_id"] for document in documents(mongo, output[1:]) if "prediction" in document]
    assert ids == sorted([*range(20), 15.5])


def test_predict_request_ignores_documents_that_are_deleted_meanwhile(
    mongo: Mongo, predict: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo.fill("texts", texts(12))
    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        interrupt_after(engine, 4, patch)
        predict(">texts", ">texts")
    with MongoClient[dict[str, Any]](mongo.uri) as client:
        client[mongo.database]["texts"].delete_many({"_id": {"$gte": 5, "$lt": 10}})

    assert predict(">texts", ">texts").rows == 3 + 2 + 2
    assert [document["_id"] for document in documents(mongo, "texts")] == [*range(5), 10, 11]


@pytest.mark.parametrize("cut", [False, True], ids=["cursor lost", "connection cut"])
def test_predict_request_reads_every_document_after_a_lost_cursor(mongo: Mongo, predict: Any, cut: bool) -> None:
    mongo.fill("texts", texts(2500))
    mongo.breakable().break_cursor_after(700, times=4, cut=cut)

    assert predict(">texts", "out.jsonl", shard_rows=1500).rows == 2500

    ids = [json.loads(line)["_id"] for line in Path("out.jsonl").read_text().splitlines()]
    assert ids == list(range(2500))


def test_predict_request_reads_only_documents_that_match_the_filter(mongo: Mongo, predict: Any) -> None:
    mongo.fill("texts", [{**document, "odd": document["_id"] % 2} for document in texts(20)])
    assert predict(">texts", ">texts", filter={"odd": 1}).rows == 10
    assert predict(">texts", ">texts", filter={"prediction": {"$exists": False}}).rows == 10


def test_predict_request_sets_aside_invalid_documents_only(mongo: Mongo, predict: Any) -> None:
    invalid: list[Any] = [None, 7, ["good"], {"a": "good"}, "", " \n", "x" * 200_000, Binary(b"\x00"), float("nan")]
    mongo.fill("texts", [*texts(5), *({"_id": 100 + n, "text": text} for n, text in enumerate(invalid)), {"_id": 999}])

    counts = predict(">texts", ">predictions", errors="bad.jsonl")

    assert (counts.rows, counts.errors) == (5, len(invalid) + 1)
    errors = [json.loads(line) for line in Path("bad.jsonl").read_text().splitlines()]
    assert [error["id"] for error in errors] == [*range(100, 100 + len(invalid)), 999]


def test_predict_request_writes_a_file_to_a_collection(mongo: Mongo, predict: Any) -> None:
    lines = [
        '{"_id": {"$oid": "aaaaaaaaaaaaaaaaaaaaaaaa"}, "text": "good", "n": 1}',
        '{"_id": {"$ne": null}, "text": "good"}',
        '{"_id": "x", "text": "bad \\ud83d", "n": NaN}',
        '{"text": "good"}',
        '{"_id": 2, "text": "good", "n": 123456789012345678901234567890}',
        '{"_id": 3, "text": "fine"}',
    ]
    Path("in.jsonl").write_text("\n".join(lines))

    counts = predict("in.jsonl", ">predictions")

    assert (counts.rows, counts.errors) == (5, 1)
    written = {str(document["_id"]): document for document in documents(mongo, "predictions")}
    assert written["a" * 24]["n"] == 1
    assert written["3"]["prediction"]["label"] == "up"
    assert (written["x"]["text"], written["x"]["n"]) == ("bad \ufffd", None)
    assert written["2"]["n"] == "123456789012345678901234567890"  # BSON has no number as large
    assert counts.errors_path
    (error,) = map(json.loads, counts.errors_path.read_text().splitlines())
    assert error == {"row": 4, "id": None, "reason": "_id is missing; add it, or name another column with --id"}


def test_predict_request_writes_every_parquet_type_to_a_collection(mongo: Mongo, predict: Any) -> None:
    table = pa.table(
        {
            "key": [1, 2],
            "text": ["good", "bad"],
            "day": [datetime(2026, 1, 2).date()] * 2,
            "price": [Decimal("1.50")] * 2,
            "when": [datetime(2026, 1, 2, 3, tzinfo=UTC)] * 2,
        }
    )
    pq.write_table(table, "in.parquet")

    predict("in.parquet", ">predictions", id_field="key")

    first = documents(mongo, "predictions")[0]
    assert first["_id"] == 1
    assert first["day"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert str(first["price"]) == "1.50"
    assert first["when"] == datetime(2026, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        ({"text": "good"}, {}, "--id is 'id', but there is no such column; name one of text"),
        (
            {"text": "good", "id": 1, "a.b": 1},
            {},
            "the column 'a.b' cannot be a field beside the predictions in MongoDB",
        ),
        ({"text": "good", "id": 1, "prediction": 1}, {}, "the column 'prediction' cannot be a field"),
        ({"text": "good", "id": 1}, {"keep": ["n"]}, "--keep applies to a collection, but --input is in.jsonl"),
        ({"text": "good", "id": 1}, {"filter": {"n": 1}}, "--filter applies to a collection"),
    ],
)
def test_predict_request_refuses_unusable_columns_and_options_in_one_line(
    predict: Any, row: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    Path("in.jsonl").write_text(json.dumps(row))
    with pytest.raises(AssayError, match=re.escape(message)):
        predict("in.jsonl", ">predictions", **options)


def test_predict_request_refuses_an_empty_collection_in_one_line(mongo: Mongo, predict: Any) -> None:
    mongo.fill("texts", texts(1))
    with pytest.raises(AssayError, match=r"\.texts holds no rows; nothing to predict"):
        predict(">texts", "out.jsonl", filter={"_id": 7})


RUN = """
import sys, time
from pathlib import Path
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.predict import PredictionRequest, predict_request
engine = Engine(Bundle.load(Path(sys.argv[1])), threads=1)
predict_stream = engine.predict_stream
rows = []
def slow(texts):
    for prediction in predict_stream(texts):
        yield prediction
        rows.append(prediction)
        if len(rows) == 17:
            time.sleep(600)
engine.predict_stream = slow
predict_request(engine, PredictionRequest(sys.argv[2], sys.argv[3], shard_rows=3))
"""


def test_predict_request_predicts_every_document_after_a_kill(
    mongo: Mongo, predict: Any, toy: Bundle, tmp_path: Path
) -> None:
    mongo.fill("texts", texts(60))
    addresses = [f"mongo:env:TEST_MONGO/{mongo.database}/{name}" for name in ("texts", "predictions")]
    process = subprocess.Popen([sys.executable, "-c", RUN, toy.folder.as_posix(), *addresses], env=os.environ)
    wait_until(lambda: process.poll() is not None or list(tmp_path.glob(".assay/predict/*/0000004.json")))
    process.kill()
    process.wait()

    counts = predict(">texts", ">predictions")

    assert counts.rows == 60
    assert counts.resumed == 15
    assert [document["_id"] for document in documents(mongo, "predictions")] == list(range(60))
