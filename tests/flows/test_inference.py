import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from assay.corpus.errors import AssayError
from assay.flows import inference
from assay.flows.inference import ShardRange, predict, predict_part, prepare
from assay.serving.address import BUNDLE_TAG
from assay.serving.batch.prediction_job import save_plan
from assay.serving.batch.shards import lock_folder
from assay.serving.engine import Prediction, Row
from assay.serving.predict import PredictionRequest
from tests.bundles import build_bundle
from tests.mongo import Mongo

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    inference.engine_of.cache_clear()
    folder = tmp_path_factory.mktemp("bundle")
    yield str(build_bundle(folder, {"good": "up", "bad": "down"}, {"Apple": "ORG"}).folder)
    inference.engine_of.cache_clear()


def write(path: Path, count: int) -> Path:
    lines = [json.dumps({"id": number, "text": f"good Apple {number}"}) for number in range(count)]
    path.write_text("\n".join([*lines, '{"id": "bad"}']) + "\n")
    return path


def progress() -> list[float]:
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["predict"])))
    return [float(str(artifact.data)) for artifact in found]


def test_predict_maps_parts_of_a_file(bundle: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", 57)

    counts = predict(bundle, str(source), str(tmp_path / "out.jsonl"), shard_rows=5, parts=4)

    assert (counts.rows, counts.errors, counts.resumed) == (57, 1, 0)
    predictions = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [answer["id"] for answer in predictions] == list(range(57))
    assert 100.0 in progress()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "in.jsonl",
        "out.jsonl",
        "out.jsonl.errors.jsonl",
    ]


def test_predict_resumes_after_complete_shards(bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a flow whose third part fails, with all its retries
    source, target = str(write(tmp_path / "in.jsonl", 57)), tmp_path / "out.jsonl"
    engine = inference.engine_of(bundle, None)
    whole = engine.predict_stream

    def stream(texts: Iterator[Row]) -> Iterator[Prediction]:
        for row, answer in zip(rows := list(texts), whole(rows), strict=True):
            if row.text.endswith(" 33"):
                raise OSError("the machine is gone")
            yield answer

    with monkeypatch.context() as patch:
        patch.setattr(engine, "predict_stream", stream)
        with pytest.raises(Exception, match="the machine is gone"):
            predict(bundle, source, str(target), shard_rows=5, parts=4)
    assert not target.exists()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / ".out.jsonl.shards").glob("0*")}
    assert len(before) > 10

    # when it is started again
    counts = predict(bundle, source, str(target), shard_rows=5, parts=4)

    assert counts.rows == 57
    assert counts.resumed >= 40
    assert len(target.read_text().splitlines()) == 57


def test_predict_updates_a_collection_in_place(
    bundle: str, mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MONGO", mongo.uri)
    monkeypatch.chdir(tmp_path)
    days = [datetime(2026, 11, number + 1, tzinfo=UTC) for number in range(20)]
    mongo.fill("texts", [{"_id": number, "text": "good", "at": day} for number, day in enumerate(days)])
    address = f"mongo:env:TEST_MONGO/{mongo.database}/texts"

    assert predict(bundle, address, address, shard_rows=7, parts=3).rows == 20
    assert predict(bundle, address, "out.jsonl", filter={"prediction.label": "up"}).rows == 20
    late = {"at": {"$gte": {"$date": "2026-11-16T00:00:00Z"}}}
    assert predict(bundle, address, "late.jsonl", filter=late).rows == 5
    with pytest.raises(AssayError, match=r"filter holds the operator '\$regex'"):
        predict(bundle, address, "out.jsonl", filter={"text": {"$regex": "a+"}})


def test_predict_handles_a_folder_in_one_task(bundle: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write(tmp_path / "in" / f"{name}.jsonl", 9)

    counts = predict(bundle, str(tmp_path / "in"), str(tmp_path / "out"))

    assert (counts.rows, counts.errors) == (18, 2)


@pytest.fixture
def move_alias(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that moves `models:/toy@champion`, with no cached engine; 1 predicts "up", 2 "down"."""
    uri = f"sqlite:///{store}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    client = MlflowClient(tracking_uri=uri)
    client.create_registered_model("toy")
    for answer in ("up", "down"):
        model = store / answer
        (model / "artifacts" / "bundle").mkdir(parents=True)
        bundle = build_bundle(model / "artifacts" / "bundle", {"good": answer, "bad": "other"}, {})
        client.create_model_version("toy", model.as_uri(), tags={BUNDLE_TAG: bundle.digest})

    def move(number: str) -> None:
        client.set_registered_model_alias("toy", "champion", number)
        inference.engine_of.cache_clear()

    return move


def test_predict_pins_the_version_of_an_alias(
    move_alias: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an alias that moves once the plan is made, and workers that load the model only then
    move_alias("1")

    def keep_and_move(*arguments: Any) -> None:
        save_plan(*arguments)
        move_alias("2")

    monkeypatch.setattr("assay.flows.inference.save_plan", keep_and_move)
    source, output = write(tmp_path / "in.jsonl", 20), tmp_path / "out.jsonl"

    predict("models:/toy@champion", str(source), str(output), shard_rows=5, parts=4)

    assert {json.loads(line)["label"] for line in output.read_text().splitlines()} == {"up"}


def test_predict_part_refuses_another_model(move_alias: Callable[[str], None], tmp_path: Path) -> None:
    move_alias("1")
    request = PredictionRequest(str(write(tmp_path / "in.jsonl", 20)), str(tmp_path / "out.jsonl"), shard_rows=5)
    with lock_folder(tmp_path / ".out.jsonl.shards", "out.jsonl"):
        prepare.fn("models:/toy@champion", request, 4)
    move_alias("2")
    with pytest.raises(
        AssayError, match=r"does not match .*in\.jsonl and models:/toy@champion as this worker reads them"
    ):
        predict_part.fn("models:/toy@champion", request, ShardRange(start=0, stop=1))
    assert not list((tmp_path / ".out.jsonl.shards").glob("0*"))
