"""A run that one machine begins and another ends; they share an address of S3 and an MLflow server, and no folder."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import httpx
import pytest
from mlflow import MlflowClient

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.models import resume
from assay.models.checkpoint import Checkpoint
from assay.runs.lifecycle import open_run
from assay.runs.run import Run
from assay.runs.tracking import record_data
from assay.tasks.extract import extract
from assay.tasks.split import split
from assay.tasks.train import train
from tests.flows.tiny import make_recipe, write_rows
from tests.ports import free_port

pytestmark = pytest.mark.usefixtures("one_thread")
PATIENCE = 300  # seconds; a busy machine is no fault of the server


@pytest.fixture
def mlflow_server(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An MLflow server that hands artifacts to the bucket; its address stands in the environment."""
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", f"{bucket}/mlflow"]
    log = tmp_path / "mlflow.log"
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True) as server:
        deadline = time.monotonic() + PATIENCE
        while not _healthy(uri):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        yield uri
        os.killpg(server.pid, 9)


def _healthy(uri: str) -> bool:
    try:
        return httpx.get(f"{uri}/health").status_code == 200
    except httpx.TransportError:
        return False


def begin(run: Run) -> tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]]:
    snapshot = extract.fn(run)
    splits = split.fn(run, snapshot)
    return snapshot, splits


@pytest.mark.slow  # an MLflow server starts
def test_open_run_resumes_a_killed_run_on_another_machine(
    bucket: str,
    mlflow_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="assay.models")
    monkeypatch.setenv("ASSAY_SHARED_STORE", f"{bucket}/team")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache of one"))
    fsspec.filesystem("s3").put_file(str(write_rows(tmp_path / "rows.jsonl", 120)), f"{bucket}/rows.jsonl")
    recipe = make_recipe(Path("rows.jsonl"), training={"epochs": 4}, source={"paths": {f"{bucket}/rows.jsonl": "all"}})

    # given a machine that is killed while it trains, after its third epoch
    epochs = 0
    mark_complete = resume.mark_complete

    def sealed_and_killed(folder: Path, key: str) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == 4:
            raise KeyboardInterrupt
        mark_complete(folder, key)

    with pytest.raises(KeyboardInterrupt), open_run(recipe, tmp_path / "one") as run:
        snapshot, splits = begin(run)
        record_data.fn(run, snapshot, splits)
        monkeypatch.setattr(resume, "mark_complete", sealed_and_killed)
        train.fn(run, snapshot, splits)
    monkeypatch.setattr(resume, "mark_complete", mark_complete)

    # when another machine, without any of its files, runs the same
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache of two"))
    with open_run(recipe, tmp_path / "two", keep_open=True) as again:
        assert again.key == run.key
        assert [ref.digest for ref in begin(again)] == [snapshot.digest, splits.digest]
        checkpoint = Checkpoint.load(train.fn(again, *begin(again)).path)

    # then it has fetched what was finished, and trained the fourth epoch alone
    steps = checkpoint.history["epochs"][0]["step"]
    assert f"resuming from checkpoint-{3 * steps}" in caplog.text
    assert len(checkpoint.history["epochs"]) == 4
    losses = MlflowClient(tracking_uri=mlflow_server).get_metric_history(run.mlflow_run, "train.loss")
    assert {metric.step for metric in losses} == set(range(1, 4 * steps + 1))
    # and no intermediate checkpoint is left, and MLflow's artifacts lie in the bucket
    files = fsspec.filesystem("s3").find(bucket)
    assert not [name for name in files if ".partial/" in name]
    assert [name for name in files if "/mlflow/" in name]
    # the first machine, back again, has nothing to do
    with open_run(recipe, tmp_path / "one", keep_open=True) as back:
        assert train.fn(back, *begin(back)).digest == train.fn(again, *begin(again)).digest
