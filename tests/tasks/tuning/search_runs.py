"""Runs that search for settings, and rows that tiny networks learn."""

from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.runs.run import Run
from tests.snapshots import make_run, write_snapshot

WORDS = {"up": ["rose", "gained"], "down": ["fell", "sank"]}

SPACE: dict[str, Any] = {"training.learning_rate": {"low": 1e-3, "high": 3e-2, "log": True}}


Data = tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]]


def write_data(tmp_path: Path) -> Data:
    """Return rows of three splits. Encoding the test rows would fail, because of their label."""
    rows = [
        Example(id=str(number), text=f"shares {WORDS[label][number // 2 % 2]} again", label=label)
        for number, label in enumerate(["up", "down"] * 24)
    ]
    rows += [Example(id=f"test-{number}", text="shares rest", label="sideways") for number in range(8)]
    snapshot = write_snapshot(tmp_path / "snapshot", rows)
    split_of: dict[str, SplitName] = {
        row.id: "test" if row.label == "sideways" else "validation" if int(row.id) >= 36 else "train" for row in rows
    }
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="stratified")
    (tmp_path / "splits").mkdir()
    splits.save(tmp_path / "splits")
    return snapshot, ArtifactRef[Splits](path=tmp_path / "splits", digest=splits.digest)


def a_run(store: Path, key: str = "first", training: dict[str, Any] | None = None, **tuning: Any) -> Run:
    run = make_run(
        store,
        key,
        model={
            "scratch": {"layers": 1, "hidden": 16, "attention_heads": 2, "vocabulary": 100},
            "heads": ["sentence"],
            "max_length": 16,
        },
        training={"epochs": 2, "batch_size": 12, "learning_rate": 0.002, **(training or {})},
        tuning={"space": SPACE, "trials": 3, **tuning},
    )
    run_id = MlflowClient(tracking_uri=run.tracking_uri).create_run("0").info.run_id
    return run.model_copy(update={"mlflow_run": run_id})


def nested(run: Run) -> list[Any]:
    """Return the nested MLflow runs of the pipeline's run, in the order of their start."""
    found = MlflowClient(tracking_uri=run.tracking_uri).search_runs(
        ["0"], f"tags.`mlflow.parentRunId` = '{run.mlflow_run}'", order_by=["attributes.start_time ASC"]
    )
    return list(found)
