from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from filelock import FileLock

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.registry.retention.garbage_collection import collect, plan_collection
from assay.runs.run_states import STATE, RunState
from tests.snapshots import write_snapshot

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def add_run(store: Path, key: str, days: float, state: Literal["open", "closed"] = "closed") -> Path:
    folder = store / "runs" / key
    write_snapshot(folder / "extract-1", [Example("a", f"text of {key}")])
    (folder / "train-1").mkdir()
    (folder / "train-1" / "model.safetensors").write_bytes(b"x" * 1000)
    (folder / "cards" / "0123").mkdir(parents=True)
    run = RunState(
        key=key,
        recipe_name="tiny",
        recipe_digest="d",
        recipe={},
        mlflow_run="m",
        opened=NOW - timedelta(days=days),
        state=state,
    )
    (folder / STATE).write_text(run.model_dump_json())
    return folder


def test_collect_removes_old_closed_runs(tmp_path: Path) -> None:
    old, older, new = add_run(tmp_path, "old", 50), add_run(tmp_path, "older", 60), add_run(tmp_path, "new", 1)
    still_open = add_run(tmp_path, "open", 90, "open")
    plan = plan_collection(tmp_path, keep_runs=1, older_than_days=30, now=NOW)
    assert [(one.run, one.what) for one in plan] == [
        *(("old", "extract"), ("old", "train")),
        *(("older", "extract"), ("older", "train")),
    ]
    assert plan[1].bytes == 1000
    assert (old / "train-1").exists()
    assert collect(plan, tmp_path) == plan
    for folder in (old, older):
        assert sorted(path.name for path in folder.iterdir()) == ["cards", "lock", STATE]
    assert (new / "train-1").exists()
    assert (still_open / "train-1").exists()
    assert plan_collection(tmp_path, keep_runs=1, older_than_days=30, now=NOW) == []


def test_plan_collection_keeps_the_newest_runs(tmp_path: Path) -> None:
    add_run(tmp_path, "one", 400)
    add_run(tmp_path, "two", 500)
    assert plan_collection(tmp_path, keep_runs=2, older_than_days=30, now=NOW) == []


def test_plan_collection_keeps_protected_snapshots(tmp_path: Path) -> None:
    digest = Snapshot.load(add_run(tmp_path, "old", 50) / "extract-1").digest
    add_run(tmp_path, "new", 1)
    plan = plan_collection(tmp_path, keep_runs=1, older_than_days=30, protected=[digest], now=NOW)
    assert [one.what for one in plan] == ["train"]


def test_collect_skips_a_run_in_progress(tmp_path: Path) -> None:
    folder = add_run(tmp_path, "old", 50)
    add_run(tmp_path, "new", 1)
    plan = plan_collection(tmp_path, keep_runs=1, older_than_days=30, now=NOW)
    with FileLock(folder / "lock"):
        assert collect(plan, tmp_path) == []
    assert (folder / "train-1").exists()
