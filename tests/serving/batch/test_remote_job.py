"""Predictions from one bucket into another place of it."""

import json
from pathlib import Path

import fsspec
import pytest

from assay.corpus.errors import AssayError
from assay.serving.engine import Engine
from assay.serving.predict import Request, predict_request
from tests.bundles import build_bundle


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "bundle").mkdir()
    return Engine(build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {}), threads=1)


def test_input_and_output_may_lie_at_addresses(
    bucket: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    system = fsspec.filesystem("s3")
    rows = [{"id": number, "text": "good news"} for number in range(50)] + [{"id": 50, "text": 7}]
    system.pipe_file(f"{bucket}/new.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    request = Request(f"{bucket}/new.jsonl", f"{bucket}/out/answers.jsonl", shard_rows=20, state=tmp_path / "state")

    counts = predict_request(engine, request)

    answers = [json.loads(line) for line in system.cat_file(f"{bucket}/out/answers.jsonl").splitlines()]
    assert [answer["id"] for answer in answers] == list(range(50))
    assert counts.output == f"{bucket}/out/answers.jsonl"
    assert counts.errors_path == f"{bucket}/out/answers.jsonl.errors.jsonl"
    [bad] = system.cat_file(counts.errors_path).splitlines()
    assert json.loads(bad)["id"] == 50
    assert list((tmp_path / "state").iterdir()) == []


def test_what_was_done_stays_where_the_output_cannot_be_sent(
    bucket: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "new.jsonl"
    source.write_text(json.dumps({"id": 1, "text": "bad news"}) + "\n")
    request = Request(str(source), "s3://nobody-made-this/answers.jsonl", state=tmp_path / "state")
    with pytest.raises(AssayError, match=r"s3://nobody-made-this/answers\.jsonl is not responding"):
        predict_request(engine, request)
    assert len(list((tmp_path / "state").rglob("answers.jsonl"))) == 1
    # and is only sent, once there is somebody to take it
    fsspec.filesystem("s3").mkdir("nobody-made-this")
    monkeypatch.setattr(Engine, "predict_stream", None)
    counts = predict_request(engine, request)
    assert (counts.rows, counts.resumed) == (1, 1)
    assert json.loads(fsspec.filesystem("s3").cat_file(request.output))["label"] == "down"


def test_a_run_without_bad_rows_leaves_no_errors_of_an_earlier_one(bucket: str, engine: Engine, tmp_path: Path) -> None:
    source, system = tmp_path / "new.jsonl", fsspec.filesystem("s3")
    for text, bad in ((7, True), ("good news", False)):
        source.write_text(json.dumps({"id": 1, "text": text}) + "\n" + json.dumps({"id": 2, "text": "good"}) + "\n")
        counts = predict_request(engine, Request(str(source), f"{bucket}/answers.jsonl", state=tmp_path / "state"))
        assert counts.errors == bad
        assert system.exists(f"{bucket}/answers.jsonl.errors.jsonl") == bad


def test_what_cannot_become_a_file_at_an_address_is_refused_before_anything_is_done(
    bucket: str, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "new.jsonl").write_text(json.dumps({"id": 1, "text": "good"}) + "\n")
    state = tmp_path / "state"
    with pytest.raises(AssayError, match=r"--input is .*/folder, a folder, and --output an address"):
        predict_request(engine, Request(str(tmp_path / "folder"), f"{bucket}/answers", state=state))
    for bad in (f"{bucket}/bad.jsonl", "mongodb://user:secret@localhost/bad", "mongo:env:ADDRESS/texts/bad"):
        with pytest.raises(AssayError, match="--errors is an address, where a file must be; leave it out"):
            predict_request(
                engine, Request(str(tmp_path / "folder" / "new.jsonl"), f"{bucket}/a.jsonl", errors=bad, state=state)
            )
    assert not fsspec.filesystem("s3").ls(bucket)
