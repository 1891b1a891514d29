"""Retention: which results of closed runs are no longer needed, and their removal.

A run's folder holds its snapshot, splits, checkpoints, bundles and evaluation. What stays: open runs,
runs somebody works on, the newest runs of each recipe, and the snapshots that versions were made of and that are too
large for MLflow, so that they can be made again.
"""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import Timeout
from pydantic import BaseModel

from assay.corpus.snapshot import MANIFEST, SnapshotManifest
from assay.corpus.storage.atomic import PARTIAL
from assay.runs.lifecycle import run_lock
from assay.runs.run_states import RunState, read_state, read_states

SNAPSHOT_STEP = "extract-"
CARDS = "cards"  # what a person reads of a run stays, however old it is


class Removal(BaseModel):
    """A folder or file that may go: what it is, how old, how large."""

    path: Path
    what: str
    run: str
    days: float
    bytes: int


def plan_collection(
    store: Path, keep_runs: int, older_than_days: float, needed: Iterable[str] = (), now: datetime | None = None
) -> list[Removal]:
    """What retention lets go; nothing is changed.

    Args:
        store: folder of runs.
        keep_runs: newest closed runs of each recipe that stay whole.
        older_than_days: since a run was opened; younger ones stay whole.
        needed: digests of snapshots that must stay, because a version was made of them and only the store has them.
        now: for tests.
    """
    now, needed = now or datetime.now(UTC), set(needed)
    removals: list[Removal] = []
    for states in _closed_runs(store).values():
        for state in sorted(states, key=lambda one: one.opened, reverse=True)[keep_runs:]:
            age = now - state.opened
            if age >= timedelta(days=older_than_days):
                removals += _of_run(store / "runs" / state.key, state.key, age / timedelta(days=1), needed)
    return removals


def collect(removals: Sequence[Removal], store: Path) -> list[Removal]:
    """Remove what was planned, run by run under its lock; gives what went. A run somebody works on is left alone."""
    gone = []
    for removal in removals:
        try:
            with run_lock(store / "runs" / removal.run):
                if read_state(store / "runs" / removal.run).state == "closed":
                    _remove(removal.path)
                    gone.append(removal)
        except Timeout:
            continue
    return gone


def _remove(path: Path) -> None:
    """Out of sight at once, so that a removal that is killed leaves no half of a step."""
    hidden = path.with_name(f".{path.name}.going{PARTIAL}")
    path.rename(hidden)
    shutil.rmtree(hidden)


def _closed_runs(store: Path) -> dict[str, list[RunState]]:
    runs: dict[str, list[RunState]] = defaultdict(list)
    for state in read_states(store):
        if state.state == "closed":
            runs[state.recipe_name].append(state)
    return runs


def _of_run(folder: Path, key: str, days: float, needed: set[str]) -> list[Removal]:
    found = []
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name == CARDS or _digest(path) in needed:
            continue
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        what = path.name.lstrip(".").partition("-")[0]
        found.append(Removal(path=path, what=what, run=key, days=round(days, 1), bytes=size))
    return found


def _digest(folder: Path) -> str | None:
    """Of the snapshot in a folder, if it holds one."""
    manifest = folder / MANIFEST
    if not folder.name.startswith(SNAPSHOT_STEP) or not manifest.is_file():
        return None
    return SnapshotManifest.model_validate_json(manifest.read_bytes()).digest
