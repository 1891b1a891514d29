"""Garbage collection: find and remove results of closed runs that are no longer needed.

The folder of a run holds its snapshot, splits, checkpoints, bundles and evaluation. Open runs, runs that a process
works on and the newest runs of each recipe stay. So do protected snapshots, since versions were made of them that may
be reproduced, and they are too large for MLflow.
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
CARDS = "cards"  # model cards stay, however old they are


class Removal(BaseModel):
    """A folder to remove: its kind, age in days and size in bytes."""

    path: Path
    what: str
    run: str
    days: float
    bytes: int


class CollectionReport(BaseModel):
    """What `assay gc --json` prints: the folders, and whether they were removed."""

    removed: bool
    folders: list[Removal]


def plan_collection(
    store: Path, keep_runs: int, older_than_days: float, protected: Iterable[str] = (), now: datetime | None = None
) -> list[Removal]:
    """Return the folders to remove; nothing is changed.

    Args:
        store: folder of runs.
        keep_runs: newest closed runs of each recipe that stay complete.
        older_than_days: days since a run was opened; younger runs stay complete.
        protected: digests of snapshots that must stay, because a version was made of them and only the store has them.
        now: the present time, for tests.
    """
    now, protected_digests = now or datetime.now(UTC), set(protected)
    removals: list[Removal] = []
    for states in _closed_runs(store).values():
        for state in sorted(states, key=lambda state: state.opened, reverse=True)[keep_runs:]:
            age = now - state.opened
            if age >= timedelta(days=older_than_days):
                removals += _of_run(store / "runs" / state.key, state.key, age / timedelta(days=1), protected_digests)
    return removals


def collect(removals: Sequence[Removal], store: Path) -> list[Removal]:
    """Remove folders, each under the lock of its run; skip runs that a process works on.

    Returns:
        The removals that were done.
    """
    done = []
    for removal in removals:
        try:
            with run_lock(store / "runs" / removal.run):
                if read_state(store / "runs" / removal.run).state == "closed":
                    _remove(removal.path)
                    done.append(removal)
        except Timeout:
            continue
    return done


def _remove(path: Path) -> None:
    """Rename the folder before the removal, so that a killed removal leaves no partial step."""
    hidden = path.with_name(f".{path.name}.removed{PARTIAL}")
    path.rename(hidden)
    shutil.rmtree(hidden)


def _closed_runs(store: Path) -> dict[str, list[RunState]]:
    runs: dict[str, list[RunState]] = defaultdict(list)
    for state in read_states(store):
        if state.state == "closed":
            runs[state.recipe_name].append(state)
    return runs


def _of_run(folder: Path, key: str, days: float, protected: set[str]) -> list[Removal]:
    removals = []
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or path.name == CARDS or _digest(path) in protected:
            continue
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        what = path.name.lstrip(".").partition("-")[0]
        removals.append(Removal(path=path, what=what, run=key, days=round(days, 1), bytes=size))
    return removals


def _digest(folder: Path) -> str | None:
    """Return the digest of the snapshot in a folder, or None."""
    manifest = folder / MANIFEST
    if not folder.name.startswith(SNAPSHOT_STEP) or not manifest.is_file():
        return None
    return SnapshotManifest.model_validate_json(manifest.read_bytes()).digest
