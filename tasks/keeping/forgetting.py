"""Rows erased on request: out of the store, out of MLflow and out of the ledgers, and who trained on them.

Ids are those of rows; the id of a parse document stands for all its sentences. What was made of a snapshot that held
such a row (splits, encoded rows, answers) goes too; bundles stay, and versions that trained on a row are named, since a
model cannot unlearn. Snapshots and answers that MLflow keeps as artifacts go there; the sides that it keeps, which hold
ids and no texts, stay: they tell which version knew the row. Everything is looked at and locked before the
first write; what is broken off is done whole by the same command again.
"""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from filelock import Timeout
from pydantic import BaseModel

from corpus.atomic import mend_folders
from corpus.errors import AssayError
from corpus.snapshot import Snapshot
from tasks.keeping.stored import (
    Copy,
    Found,
    all_snapshots,
    erase_copy,
    erase_derived,
    erase_rows,
    find_copies,
    find_rows,
    is_one_of,
)
from tasks.keeping.tracked import Tracks, download_rows, erase_artifacts, find_tracks
from tasks.run import MARKER
from tasks.session import run_lock
from tasks.sharing.store import shared_store
from tasks.sides.duplicates import HASH_BYTES, all_keys
from tasks.sides.ledger import ledger_path, open_ledger
from tasks.tracking import mlflow_reachable


class ForgetPlan(BaseModel):
    """What would be erased where, and which versions saw it."""

    ids: list[str]
    found: list[Found]
    copies: list[Copy]
    tracks: Tracks

    @property
    def digests(self) -> set[str]:
        """Of the snapshots that hold the rows."""
        return self.tracks.digests | {one.digest for one in self.found}

    @property
    def empty(self) -> bool:
        """Whether nobody knows the rows."""
        return not (self.found or self.copies or self.tracks.runs or self.tracks.versions)


def plan_forgetting(ids: Sequence[str], store: Path, tracking_uri: str | None) -> ForgetPlan:
    """Look for rows in every snapshot of a store, in copies of them and in MLflow; nothing is changed.

    But snapshots that an earlier call was killed in are put right first: else it would not see their rows.

    Raises:
        AssayError: no id, or MLflow does not answer.
    """
    if not ids or not all(ids):
        raise AssayError("no id to forget; name the ids of rows, or of documents")
    _check_shared_store()
    for run in sorted({path.parent for path in (store / "runs").glob("*/.extract-*")}):
        with _locked([run]):
            mend_folders(run, "extract-*")
    tracks = Tracks()
    if tracking_uri:
        with mlflow_reachable(tracking_uri):
            tracks = find_tracks(ids, tracking_uri)
    found = list(find_rows(store, ids))
    plan = ForgetPlan(ids=list(ids), found=found, copies=[], tracks=tracks)
    return plan.model_copy(update={"copies": list(find_copies(store, ids, plan.digests))})


def forget(plan: ForgetPlan, store: Path, tracking_uri: str | None) -> int:
    """Erase what was planned; gives how many keys left the ledgers.

    Raises:
        AssayError: a run is being worked on, a ledger is damaged, or MLflow does not answer.
    """
    runs = {one.snapshot.parent for one in plan.found}
    with _locked(runs | {one.owner for one in plan.copies}):
        gone = 0
        for recipe, keys in sorted(_keys(plan, store, tracking_uri).items()):
            with open_ledger(ledger_path(store, recipe)) as ledger:
                gone += ledger.forget(np.frombuffer(b"".join(keys), dtype=f"S{HASH_BYTES}"))
        for copy in plan.copies:
            erase_copy(copy)
        for one in plan.found:
            erase_derived(one.snapshot.parent)
        # Snapshots last: as long as they hold a row, the command finds it again.
        if tracking_uri:
            with mlflow_reachable(tracking_uri):
                erase_artifacts(plan.tracks.runs, tracking_uri)
        for one in plan.found:
            erase_rows(one.snapshot, plan.ids)
        return gone


def _check_shared_store() -> None:
    """What lies in the shared store under digests of files is not looked through."""
    if (shared := shared_store()) is not None and shared.names("runs", f"*/extract-*/{MARKER}"):
        raise AssayError(
            f"rows lie in {shared.address}, which is not looked through; remove runs/ and files/ there, not ledger/, "
            "then forget on every machine that has worked with it"
        )


@contextmanager
def _locked(folders: Collection[Path]) -> Iterator[None]:
    with ExitStack() as stack:
        for folder in sorted(folders):
            try:
                stack.enter_context(run_lock(folder))
            except Timeout:
                raise AssayError(
                    f"{folder} is being worked on by another process; wait for it, nothing was erased"
                ) from None
        yield


def _keys(plan: ForgetPlan, store: Path, tracking_uri: str | None) -> dict[str, set[bytes]]:
    """Keys to take out of each recipe's ledger: those that no row shares which stays."""
    gone: dict[str, set[bytes]] = {}
    with _with_ledger(plan, store, tracking_uri) as snapshots:
        for recipe, snapshot in snapshots:
            for row in snapshot.examples() if snapshot.digest in plan.digests else ():
                if is_one_of(row.id, plan.ids):
                    gone.setdefault(recipe, set()).update(all_keys(row.text, row.text_pair))
        for recipe, snapshot in snapshots:
            if recipe in gone:
                for row in snapshot.examples():
                    if not is_one_of(row.id, plan.ids):
                        gone[recipe] -= all_keys(row.text, row.text_pair)
    return {recipe: keys for recipe, keys in gone.items() if keys}


@contextmanager
def _with_ledger(plan: ForgetPlan, store: Path, tracking_uri: str | None) -> Iterator[list[tuple[str, Snapshot]]]:
    """Every snapshot of a recipe that keeps a ledger: those of the store, and of MLflow those that hold the rows."""
    with tempfile.TemporaryDirectory() as scratch:
        found = [(recipe, snapshot) for recipe, snapshot in all_snapshots(store) if recipe is not None]
        if tracking_uri:
            with mlflow_reachable(tracking_uri):
                found += download_rows(plan.tracks.runs, tracking_uri, Path(scratch))
        yield [(recipe, snapshot) for recipe, snapshot in found if ledger_path(store, recipe).exists()]
