"""Rows erased on request: out of the store, out of MLflow and out of the ledgers, and who trained on them.

Ids are those of rows; the id of a parse document stands for all its sentences. What was made of a snapshot that held
such a row (splits, encoded rows, answers) goes too; bundles stay, and versions that trained on a row are named, since a
model cannot unlearn. Snapshots and answers that MLflow keeps as artifacts go there; the sides that it keeps, which hold
ids and no texts, stay: they tell which version knew the row. Every MLflow that a run of the store has written to is
looked through. Everything is looked at and locked before the first write; what is broken off, or lies in an MLflow
that does not answer, is done by the same command again.
"""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from filelock import Timeout
from pydantic import BaseModel, Field

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import Snapshot
from assay.corpus.splitting.duplicates import HASH_BYTES, all_keys
from assay.corpus.splitting.ledger import ledger_path, open_ledger
from assay.corpus.storage.atomic import mend_folders
from assay.corpus.storage.object_store import SharedStore, shared_store
from assay.registry.retention.mlflow_erasure import Tracks, download_rows, erase_artifacts, find_tracks
from assay.registry.retention.store_erasure import (
    Copy,
    StoredCopies,
    all_snapshots,
    erase_copy,
    erase_derived,
    erase_rows,
    find_copies,
    find_rows,
    is_one_of,
)
from assay.registry.retention.tracking_addresses import in_one_line, runs_elsewhere, tracking_addresses
from assay.runs.lifecycle import run_lock
from assay.runs.step_result import STEP_MANIFEST
from assay.serving.address import without_password


class IncompleteError(AssayError):
    """An MLflow could not be searched, or rows there could not be erased; all others were."""


class ErasurePlan(BaseModel):
    """What would be erased where, and which versions saw it.

    `tracked` is what each MLflow knows that could be searched; `missed` says why others could not.
    """

    ids: list[str]
    found: list[StoredCopies]
    copies: list[Copy]
    tracked: list[Tracks]
    missed: dict[str, str] = Field(default_factory=dict)

    @property
    def tracks(self) -> Tracks:
        """What all of them know together."""
        return Tracks(
            versions=[one for tracks in self.tracked for one in tracks.versions],
            runs=[one for tracks in self.tracked for one in tracks.runs],
            digests={one for tracks in self.tracked for one in tracks.digests},
            copied=sorted({one for tracks in self.tracked for one in tracks.copied}),
        )

    @property
    def digests(self) -> set[str]:
        """Of the snapshots that hold the rows."""
        return self.tracks.digests | {one.digest for one in self.found}

    @property
    def empty(self) -> bool:
        """Whether nobody knows the rows."""
        return not (self.found or self.copies or self.tracks.runs or self.tracks.versions)

    def check_complete(self, done: str) -> None:
        """Refuse to be the whole answer where something was missed.

        Args:
            done: what was done, for the line.

        Raises:
            IncompleteError: an MLflow was missed.
        """
        if self.missed:
            missed = "; ".join(f"{name} ({why})" for name, why in self.missed.items())
            raise IncompleteError(f"{done}, but not searched: {missed}; give the same command again once it answers")


def plan_erasure(ids: Sequence[str], store: Path, *further: str | None) -> ErasurePlan:
    """Look for rows in every snapshot of a store, in copies of them and in every MLflow; nothing is changed.

    But snapshots that an earlier call was killed in are put right first: else it would not see their rows.

    Args:
        ids: of rows, or of documents.
        store: folder of runs.
        further: tracking addresses besides those of the environment, of the store and of its runs.

    Raises:
        AssayError: no id, or no MLflow.
    """
    if not ids or not all(ids):
        raise AssayError("no id to forget; name the ids of rows, or of documents")
    _check_shared_store(shared_store())
    for run in sorted({path.parent for path in (store / "runs").glob("*/.extract-*")}):
        with _locked([run]):
            mend_folders(run, "extract-*")
    tracked, missed = _search(ids, store, [uri for uri in further if uri])
    found = list(find_rows(store, ids))
    plan = ErasurePlan(ids=list(ids), found=found, copies=[], tracked=tracked, missed=missed)
    return plan.model_copy(update={"copies": list(find_copies(store, ids, plan.digests))})


def _search(ids: Sequence[str], store: Path, further: Sequence[str]) -> tuple[list[Tracks], dict[str, str]]:
    """Search every MLflow; gives what they know, and why others could not be searched."""
    tracked: list[Tracks] = []
    missed: dict[str, str] = {}
    seen: set[str] = set()
    for uri in tracking_addresses(store, further):
        try:
            with in_one_line(uri):
                tracks = find_tracks(ids, uri)
        except AssayError as error:
            missed[without_password(uri)] = str(error)
        else:  # two addresses may be those of one server
            runs = [run for run in tracks.runs if run.run_id not in seen]
            seen.update(run.run_id for run in runs)
            tracked.append(tracks.model_copy(update={"runs": runs}))
    for key in runs_elsewhere(store, [one.tracking_uri for one in tracked], known=missed):
        missed[f"run {key}"] = "no MLflow knows it; name the one that does with --mlflow, or remove its folder"
    return tracked, missed


def erase(plan: ErasurePlan, store: Path) -> int:
    """Erase what was planned; gives how many keys left the ledgers.

    Raises:
        IncompleteError: an MLflow did not answer; what lies elsewhere is erased.
        AssayError: a run is being worked on, or a ledger is damaged; nothing is erased.
    """
    runs = {one.snapshot.parent for one in plan.found}
    shared = shared_store()
    with _locked(runs | {one.owner for one in plan.copies}):
        gone = 0
        for recipe, keys in sorted(_keys(plan, store).items()):
            with open_ledger(ledger_path(store, recipe), shared) as ledger:
                gone += ledger.forget(np.frombuffer(b"".join(keys), dtype=f"S{HASH_BYTES}"))
        for copy in plan.copies:
            erase_copy(copy)
        for one in plan.found:
            erase_derived(one.snapshot.parent)
        # Snapshots last: as long as they hold a row, the command finds it again.
        failed = _erase_in_mlflow(plan.tracked)
        for one in plan.found:
            erase_rows(one.snapshot, plan.ids)
    erased = sum(len(tracks.runs) for tracks in plan.tracked if tracks.name not in failed)
    done = f"erased from {len(plan.found)} snapshots, {len(plan.copies)} copies and {erased} runs in MLflow"
    plan.model_copy(update={"missed": plan.missed | failed}).check_complete(done)
    return gone


def _erase_in_mlflow(tracked: Sequence[Tracks]) -> dict[str, str]:
    """Erase rows from every MLflow; gives those that did not answer, and why."""
    failed: dict[str, str] = {}
    for tracks in tracked:
        try:
            with in_one_line(tracks.tracking_uri):
                erase_artifacts(tracks.runs, tracks.tracking_uri)
        except AssayError as error:
            failed[tracks.name] = str(error)
    return failed


def _check_shared_store(shared: SharedStore | None) -> None:
    """Refuse a shared store that holds snapshots, since its files are not searched."""
    if shared is not None and shared.names("runs", f"*/extract-*/{STEP_MANIFEST}"):
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


def _keys(plan: ErasurePlan, store: Path) -> dict[str, set[bytes]]:
    """Keys to take out of each recipe's ledger: those that no row shares which stays."""
    gone: dict[str, set[bytes]] = {}
    with _with_ledger(plan, store) as snapshots:
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
def _with_ledger(plan: ErasurePlan, store: Path) -> Iterator[list[tuple[str, Snapshot]]]:
    """Every snapshot of a recipe that keeps a ledger: those of the store, and of MLflow those that hold the rows."""
    with tempfile.TemporaryDirectory() as scratch:
        found = [(recipe, snapshot) for recipe, snapshot in all_snapshots(store) if recipe is not None]
        for number, tracks in enumerate(plan.tracked):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            with in_one_line(tracks.tracking_uri):
                found += download_rows(tracks.runs, tracks.tracking_uri, folder)
        yield [(recipe, snapshot) for recipe, snapshot in found if ledger_path(store, recipe).exists()]
