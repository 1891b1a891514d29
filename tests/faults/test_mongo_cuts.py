"""MongoDB with connections cut at random: every document is read exactly once."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from assay.corpus.errors import AssayError
from assay.corpus.sources.mongo import read_mongo
from assay.corpus.sources.mongo_connection import MongoQuery
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.predict import PredictionRequest, predict_request
from tests.bundles import build_bundle
from tests.faults.counts import count, many
from tests.faults.proxy import CuttingProxy
from tests.mongo import Mongo

DOCUMENTS = 2_000
RUNS = many(20, 200)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.corpus.sources.mongo.FIRST_PAUSE_S", 0.01)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return build_bundle(folder, {"good": "up", "bad": "down"}, {})


def texts(number: int) -> list[dict[str, Any]]:
    return [{"_id": one, "text": f"{'good' if one % 2 else 'bad'} {'x' * (one % 90)}"} for one in range(number)]


def port_of(mongo: Mongo) -> int:
    mongo.breakable()  # a real server may be a set of them, which a proxy in front of one does not stand for
    return int(mongo.uri.rpartition(":")[2])


def test_mongo_reads_every_document_once_after_cuts(mongo: Mongo) -> None:
    mongo.fill("texts", texts(DOCUMENTS))
    port, cuts = port_of(mongo), 0
    for seed in range(RUNS):
        # given a connection that is reset at random bytes of the answers: in headers, documents, hand-shakes
        draw = random.Random(seed)
        places = [draw.randrange(200, 60_000) for _ in range(draw.randrange(1, 4))]
        with CuttingProxy(port, iter(places)) as proxy:
            uri = f"mongodb://127.0.0.1:{proxy.port}"
            query = MongoQuery(uri=uri, database=mongo.database, collection="texts", batch_size=100, timeout_s=20)
            # when the collection is read, then nothing is lost and nothing doubled
            documents = [document.values["_id"] for document in read_mongo(query)]
        assert documents == list(range(DOCUMENTS)), f"seed {seed}"
        cuts += proxy.done
    assert cuts >= RUNS
    count("MongoDB cut at random bytes while a collection is read", cuts, f"cuts in {RUNS} reads")


@pytest.mark.parametrize("output", ["file", "collection"])
def test_predict_writes_every_prediction_once_after_cuts(
    mongo: Mongo, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    rows, runs = 300, many(4, 40)
    monkeypatch.chdir(tmp_path)
    mongo.fill("texts", texts(rows))
    engine, port, cuts, starts = Engine(bundle, threads=1), port_of(mongo), 0, 0
    for seed in range(runs):
        draw = random.Random(seed)
        target = f"answers{seed}"
        with CuttingProxy(port, iter([draw.randrange(500, 20_000) for _ in range(4)])) as proxy:
            monkeypatch.setenv("TEST_MONGO", f"mongodb://127.0.0.1:{proxy.port}")
            here = f"mongo:env:TEST_MONGO/{mongo.database}/"
            to = here + target if output == "collection" else f"{target}.jsonl"
            # when the command is started until it ends well: a cut that it cannot bridge costs a start, no row
            for start in itertools.count(1):
                assert start < 8
                if predicted(engine, PredictionRequest(f"{here}texts", to, shard_rows=40)):
                    starts += start
                    break
        cuts += proxy.done
        assert answered(mongo, target, output) == list(range(rows)), f"seed {seed}"
    assert cuts >= runs
    count(
        f"MongoDB cut while predictions go into a {output}",
        cuts,
        f"cuts in {runs} predictions, {starts} starts",
    )


def predicted(engine: Engine, request: PredictionRequest) -> bool:
    try:
        predict_request(engine, request)
    except AssayError:
        return False
    return True


def answered(mongo: Mongo, target: str, output: str) -> list[int]:
    """Return the ids of the predictions in their stored order, after checking each prediction."""
    if output == "file":
        documents = [json.loads(line) for line in Path(f"{target}.jsonl").read_text().splitlines()]
        labels = [one["label"] for one in documents]
    else:
        with MongoClient[dict[str, Any]](mongo.uri) as client:
            documents = list(client[mongo.database][target].find(sort=[("_id", 1)]))
        labels = [one["prediction"]["label"] for one in documents]
    assert labels == ["up" if one["_id"] % 2 else "down" for one in documents]
    return [one["_id"] for one in documents]
