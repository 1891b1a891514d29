from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.models import hardware
from assay.models.checkpoint import Checkpoint
from assay.recipes.recipe import Recipe
from assay.runs.run import Run
from assay.tasks.train import train, training_content

WORDS = ["rose", "fell"]
ROWS = [
    Example(
        id=str(index),
        text=f"shares of Siemens {WORDS[index % 2]}",
        label=["up", "down"][index % 2],
        entities=(Entity(10, 17, "ORG"),),
    )
    for index in range(40)
]


def _inputs(folder: Path) -> tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]]:
    snapshot, splits = folder / "snapshot", folder / "splits"
    snapshot.mkdir()
    splits.mkdir()
    writer = SnapshotWriter(snapshot, [], {})
    for row in ROWS:
        writer.add([row])
    digest = writer.finish().digest
    split_of: dict[str, SplitName] = {row.id: "train" if int(row.id) < 32 else "validation" for row in ROWS}
    made = Splits.create(split_of, snapshot=digest, method="stratified")
    made.save(splits)
    return ArtifactRef[Snapshot](path=snapshot, digest=digest), ArtifactRef[Splits](path=splits, digest=made.digest)


def _run(store: Path, tracking_uri: str | None = None) -> Run:
    uri = tracking_uri or f"sqlite:///{store}/mlflow.db"
    run_id = "none" if tracking_uri else MlflowClient(tracking_uri=uri).create_run("0").info.run_id
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "source": {"kind": "files", "paths": {"rows.jsonl": "all"}},
            "model": {
                "scratch": {"layers": 1, "hidden": 16, "attention_heads": 2, "vocabulary": 100},
                "heads": ["sentence", "tokens"],
                "max_length": 16,
            },
            "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.01},
            "gate": {"min_f1": {"sentence": 0.6, "tokens": 0.6}},
            "registry": {"name": "tiny"},
        }
    )
    return Run(key="first", recipe=recipe, store=store, tracking_uri=uri, mlflow_run=run_id)


def test_train_saves_a_checkpoint_and_logs_metrics(store: Path, tmp_path: Path) -> None:
    run = _run(store)
    snapshot, splits = _inputs(tmp_path)

    result = train.fn(run, snapshot, splits)

    checkpoint = Checkpoint.load(result.path)
    assert checkpoint.labels == ["down", "up"]
    assert checkpoint.tags == ["O", "B-ORG", "I-ORG"]
    client = MlflowClient(tracking_uri=run.tracking_uri)
    losses = client.get_metric_history(run.mlflow_run, "train.loss")
    assert [metric.step for metric in losses] == list(range(1, 9))
    scores = client.get_metric_history(run.mlflow_run, "validation.sentence.macro_f1")
    assert [metric.step for metric in scores] == [4, 8]
    data = client.get_run(run.mlflow_run).data
    assert data.tags["assay.precision"] == checkpoint.history["precision"]
    assert data.metrics["train.examples_per_second"] > 0
    # done once: the second call answers from the folder and logs nothing more
    assert train.fn(run, snapshot, splits) == result
    assert len(client.get_metric_history(run.mlflow_run, "train.loss")) == 8


def test_train_reports_an_unresponsive_mlflow_in_one_line(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = _run(store, tracking_uri="http://127.0.0.1:9")
    with pytest.raises(AssayError, match=r"MLflow at http://127\.0\.0\.1:9"):
        train.fn(run, *_inputs(tmp_path))


@pytest.mark.parametrize("change", ["device", "gpu", "precision", "threads", "flags"])
def test_training_content_differs_between_machines_that_compute_other_weights(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, inputs = _run(tmp_path, "http://127.0.0.1:9").recipe, _inputs(tmp_path)
    monkeypatch.setattr(hardware, "cpu_flags", lambda: ["avx2"])
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setattr(hardware, "training_device", lambda: torch.device("cpu"))
    if change == "gpu":
        _have_gpu(monkeypatch, "NVIDIA H100")
    before = training_content(recipe, *inputs)
    assert training_content(recipe, *inputs) == before
    if change in ("device", "gpu"):
        _have_gpu(monkeypatch, "NVIDIA H200")
    elif change == "precision":
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    elif change == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    else:
        monkeypatch.setattr(hardware, "cpu_flags", lambda: ["avx2", "avx512f"])
    assert training_content(recipe, *inputs) != before


def test_training_content_needs_no_device_for_the_precision_of_a_finished_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a machine without bf16 goes on behind a training of another one
    monkeypatch.setattr(hardware, "has_bf16", lambda device: False)
    recipe = _run(tmp_path, "http://127.0.0.1:9").recipe
    bf16 = recipe.model_copy(update={"training": recipe.training.model_copy(update={"precision": "bf16"})})
    assert training_content(bf16, *_inputs(tmp_path))["environment"]["precision"] == "bf16"


def _have_gpu(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(hardware, "training_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(hardware, "has_bf16", lambda device: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
