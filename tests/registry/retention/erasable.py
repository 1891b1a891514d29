"""Runs in a store whose rows are to be erased."""

from datetime import UTC, datetime
from pathlib import Path

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import ledger_path, open_ledger
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.runs.run import Run
from assay.runs.run_states import STATE, RunState
from assay.tasks.split import split
from tests.snapshots import make_run

ROWS = [
    Example(f"{number}#{part}", f"{word} tells of {part}", label=word)
    for number, word in enumerate(["apples", "pears"] * 30)
    for part in ("one", "two")
]

TEXTS = [
    f"{row.text} {'abcdefghij'[int(row.id.split('#')[0]) % 10] * (1 + number // 4)}" for number, row in enumerate(ROWS)
]


def write(folder: Path) -> None:
    with SnapshotWriter(folder, [], {"kind": "test"}) as writer:
        for row, text in zip(ROWS, TEXTS, strict=True):
            writer.add([Example(row.id, text, label=row.label)])
        # What str.splitlines() takes for the end of a line may stand in one.
        writer.add([], [("7#three", "text is too long", {"Text": "a\u2028b\u0085c"})])
        writer.finish()


def made(store: Path, key: str) -> tuple[Run, ArtifactRef[Snapshot], ArtifactRef[Splits]]:
    run = make_run(store, key)
    run.folder.mkdir(parents=True)
    state = RunState(
        key=key,
        recipe_name="tiny",
        recipe_digest="d",
        recipe={},
        mlflow_run="m",
        tracking=["mlflow.db"],
        opened=datetime.now(UTC),
    )
    (run.folder / STATE).write_text(state.model_dump_json())
    snapshot = run.once("extract", {}, write).to(Snapshot)
    return run, snapshot, split.fn(run, snapshot)


def ledger_size(store: Path) -> int:
    with open_ledger(ledger_path(store, "tiny")) as ledger:
        return len(ledger)
