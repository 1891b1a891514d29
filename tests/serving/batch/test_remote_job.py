"""Predictions from one address of a bucket to another."""

import json
from pathlib import Path

import fsspec
import pytest

from assay.corpus.errors import AssayError
from assay.serving.engine import Engine
from assay.serving.predict import PredictionRequest, predict_request
from tests.bundles import build_bundle


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "bundle").mkdir()
    return Engine(build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {}), threads=1)


def test_predict_request_reads_and_writes_addresses(
    bucket: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    system = fsspec.filesystem("s3")
    rows = [{"id": number, "text": "good news"} for number in range(50)] + [{"id": 50, "text": 7}]
    system.pipe_file(f"{bucket}/new.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    request = PredictionRequest(
        f"{bucket}/new.jsonl", f"{bucket}/out/predictions.jsonl", shard_rows=20, state=tmp_path / "state"
    )

    counts = predict_request(engine, request)

    predictions = [json.loads(line) for line in system.cat_file(f"{bucket}/out/predictions.jsonl").splitlines()]
    assert [prediction["id"] for prediction in predictions] == list(range(50))
    assert counts.output == f"{bucket}/out/predictions.jsonl"
    assert counts.errors_path == f"{bucket}/out/predictions.jsonl.errors.jsonl"
    [error] = system.cat_file(counts.errors_path).splitlines()
    assert json.loads(error)["id"] == 50
    assert list((tmp_path / "state").iterdir()) == []


def test_predict_request_keeps_an_output_that_cannot_be_uploaded(
    bucket: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "new.jsonl"
    source.write_text(json.dumps({"id": 1, "text": "bad news"}) + "\n")
    request = PredictionRequest(str(source), "s3://nobody-made-this/predictions.jsonl", state=tmp_path / "state")
    with pytest.raises(AssayError, match=r"s3://nobody-made-this/predictions\.jsonl is not responding"):
        predict_request(engine, request)
    assert len(list((tmp_path / "state").rglob("predictions.jsonl"))) == 1
    # and the next run only uploads it, when the bucket exists
    fsspec.filesystem("s3").mkdir("nobody-made-this")
    monkeypatch.setattr(Engine, "predict_stream", None)
    counts = predict_request(engine, request)
    assert (counts.rows, counts.resumed) == (1, 1)
    assert json.loads(fsspec.filesystem("s3").cat_file(request.output))["label"] == "down"


def test_predict_request_removes_the_errors_file_of_an_earlier_run(bucket: str, engine: Engine, tmp_path: Path) -> None:
    source, system = tmp_path / "new.jsonl", fsspec.filesystem("s3")
    for text, invalid in ((7, True), ("good news", False)):
        source.write_text(json.dumps({"id": 1, "text": text}) + "\n" + json.dumps({"id": 2, "text": "good"}) + "\n")
        counts = predict_request(
            engine, PredictionRequest(str(source), f"{bucket}/predictions.jsonl", state=tmp_path / "state")
        )
        assert counts.errors == invalid
        assert system.exists(f"{bucket}/predictions.jsonl.errors.jsonl") == invalid


def test_predict_request_refuses_a_folder_to_an_address_and_errors_at_an_address(
    bucket: str, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "new.jsonl").write_text(json.dumps({"id": 1, "text": "good"}) + "\n")
    state = tmp_path / "state"
    with pytest.raises(AssayError, match=r"--input is .*/folder, a folder, but --output is an address"):
        predict_request(engine, PredictionRequest(str(tmp_path / "folder"), f"{bucket}/predictions", state=state))
    for errors in (f"{bucket}/bad.jsonl", "mongodb://user:secret@localhost/bad", "mongo:env:ADDRESS/texts/bad"):
        with pytest.raises(AssayError, match="--errors is an address, but must be a file; leave it out"):
            predict_request(
                engine,
                PredictionRequest(
                    str(tmp_path / "folder" / "new.jsonl"), f"{bucket}/a.jsonl", errors=errors, state=state
                ),
            )
    assert not fsspec.filesystem("s3").ls(bucket)
