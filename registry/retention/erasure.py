"""Erase rows on request from the store, from MLflow and from the ledgers, and name the versions that trained on them.

Ids are those of rows; the id of a parse document stands for all its sentences. Results made of a snapshot that holds
such a row (splits, encoded rows, predictions) are erased, too; bundles stay, and versions that trained on a row are
named, since a model cannot unlearn. Snapshots and predictions are erased from the artifacts of MLflow. The splits
there, which hold ids and no texts, stay: they tell which version knew the row.

Every MLflow that a run of the store has written to is searched. Everything is searched and locked before the first
write. Run the same command again after an interruption, or when an MLflow that did not respond is back.
"""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from filelock import Timeout
from pydantic import BaseModel, Field

from assay.corpus.errors import AssayError
from assay.corpus.overlay import erase_corrections
from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.corpus.splitting.duplicates import HASH_BYTES, all_keys
from assay.corpus.splitting.ledger import ledger_path, open_ledger
from assay.corpus.storage.atomic import recover_folders
from assay.corpus.storage.object_store import SharedStore, shared_store
from assay.registry.retention.mlflow_erasure import MlflowMatches, download_rows, erase_artifacts, find_tracks
from assay.registry.retention.store_erasure import (
    Copy,
    StoredCopies,
    StoredCorrections,
    added_ids,
    all_snapshots,
    erase_copy,
    erase_derived,
    erase_rows,
    find_copies,
    find_corrections,
    find_rows,
    is_one_of,
)
from assay.registry.retention.tracking_addresses import in_one_line, runs_elsewhere, tracking_addresses
from assay.runs.lifecycle import run_lock
from assay.runs.step_result import STEP_MANIFEST
from assay.serving.address import without_password


class IncompleteError(AssayError):
    """An MLflow was not searched, or its rows were not erased; all others were."""


class ErasurePlan(BaseModel):
    """The plan of an erasure: what is erased where, and which versions trained on it.

    `tracked` holds the matches of each MLflow that was searched; `missed` the reasons why others were not.
    """

    ids: list[str]
    found: list[StoredCopies]
    copies: list[Copy]
    corrections: list[StoredCorrections] = []
    tracked: list[MlflowMatches]
    missed: dict[str, str] = Field(default_factory=dict)

    @property
    def tracks(self) -> MlflowMatches:
        """Matches of all MLflows together."""
        return MlflowMatches(
            versions=[version for tracks in self.tracked for version in tracks.versions],
            runs=[run for tracks in self.tracked for run in tracks.runs],
            digests={digest for tracks in self.tracked for digest in tracks.digests},
            copied=sorted({copy for tracks in self.tracked for copy in tracks.copied}),
        )

    @property
    def digests(self) -> set[str]:
        """Digests of the snapshots that hold the rows."""
        return self.tracks.digests | {stored.digest for stored in self.found}

    @property
    def empty(self) -> bool:
        """Whether the rows were found nowhere."""
        return not (self.found or self.copies or self.corrections or self.tracks.runs or self.tracks.versions)

    def check_complete(self, done: str) -> None:
        """Raise an error if something was missed.

        Args:
            done: description of what was done.

        Raises:
            IncompleteError: an MLflow was missed.
        """
        if self.missed:
            missed = "; ".join(f"{name} ({why})" for name, why in self.missed.items())
            raise IncompleteError(f"{done}, but not searched: {missed}; run the same command again once it responds")


class ErasureReport(BaseModel):
    """What `assay erase --json` prints: where the rows are, and whether they were erased from there."""

    erased: bool
    plan: ErasurePlan
    ledger_keys: int | None = Field(None, description="Number of keys erased from the split ledger")


def plan_erasure(ids: Sequence[str], store: Path, *further: str | None) -> ErasurePlan:
    """Search for rows in every snapshot of a store, in copies of them and in every MLflow.

    A row that people added before the source held it is searched by both of its ids. Nothing is changed, except that
    snapshots in which an earlier call was killed are repaired first: their rows would not be found otherwise.

    Args:
        ids: ids of rows, or of documents.
        store: folder of runs.
        further: tracking addresses besides those of the environment, of the store and of its runs.

    Raises:
        AssayError: there is no id, or no MLflow.
    """
    if not ids or not all(ids):
        raise AssayError("no id to erase; name the ids of rows, or of documents")
    shared = shared_store()
    _check_shared_store(shared)
    ids = list(ids)
    for run in sorted({path.parent for path in (store / "runs").glob("*/.extract-*")}):
        with _locked([run]):
            recover_folders(run, "extract-*")
    ids += added_ids(store, ids, shared)
    tracked, missed = _search(ids, store, [uri for uri in further if uri])
    plan = ErasurePlan(
        ids=ids,
        found=list(find_rows(store, ids)),
        copies=[],
        corrections=list(find_corrections(store, ids, shared)),
        tracked=tracked,
        missed=missed,
    )
    return plan.model_copy(update={"copies": list(find_copies(store, ids, plan.digests))})


def _search(ids: Sequence[str], store: Path, further: Sequence[str]) -> tuple[list[MlflowMatches], dict[str, str]]:
    """Search every MLflow.

    Returns:
        The matches of each, and why others could not be searched, by name.
    """
    tracked: list[MlflowMatches] = []
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
    for key in runs_elsewhere(store, [tracks.tracking_uri for tracks in tracked], known=missed):
        missed[f"run {key}"] = "no MLflow knows it; name the one that does with --mlflow, or remove its folder"
    return tracked, missed


def erase(plan: ErasurePlan, store: Path) -> int:
    """Erase as planned.

    Returns:
        Number of keys erased from the ledgers.

    Raises:
        IncompleteError: an MLflow did not respond; the rows elsewhere are erased.
        AssayError: a run is being worked on, or a ledger is damaged; nothing is erased.
    """
    runs = {stored.snapshot.parent for stored in plan.found}
    shared = shared_store()
    with _locked(runs | {copy.owner for copy in plan.copies}):
        erased_keys = 0
        for recipe, keys in sorted(_keys(plan, store).items()):
            with open_ledger(ledger_path(store, recipe), shared) as ledger:
                erased_keys += ledger.erase(np.frombuffer(b"".join(keys), dtype=f"S{HASH_BYTES}"))
        for copy in plan.copies:
            erase_copy(copy)
        for overlay in plan.corrections:
            erase_corrections(overlay.path, overlay.rows, shared)
        for stored in plan.found:
            erase_derived(stored.snapshot.parent)
        # Snapshots come last: as long as they hold a row, the command finds it again.
        failed = _erase_in_mlflow(plan.tracked)
        for stored in plan.found:
            erase_rows(stored.snapshot, plan.ids)
    erased = sum(len(tracks.runs) for tracks in plan.tracked if tracks.name not in failed)
    done = (
        f"erased from {counted(len(plan.found), 'snapshot')}, {counted(len(plan.copies), 'copy', 'copies')} and "
        f"{counted(erased, 'run')} in MLflow"
    )
    plan.model_copy(update={"missed": plan.missed | failed}).check_complete(done)
    return erased_keys


def _erase_in_mlflow(tracked: Sequence[MlflowMatches]) -> dict[str, str]:
    """Erase rows from every MLflow.

    Returns:
        Reasons why an MLflow failed, by name.
    """
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
            f"rows lie in {shared.address}, which is not searched; remove runs/ and files/ there, not ledger/, "
            "then erase on every machine that has worked with it"
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
    """Return the keys to erase from each recipe's ledger: those that no remaining row shares."""
    erased: dict[str, set[bytes]] = {}
    with _with_ledger(plan, store) as snapshots:
        for recipe, snapshot in snapshots:
            for row in snapshot.examples() if snapshot.digest in plan.digests else ():
                if is_one_of(row.id, plan.ids):
                    erased.setdefault(recipe, set()).update(all_keys(row.text, row.text_pair))
        for recipe, snapshot in snapshots:
            if recipe in erased:
                for row in snapshot.examples():
                    if not is_one_of(row.id, plan.ids):
                        erased[recipe] -= all_keys(row.text, row.text_pair)
    return {recipe: keys for recipe, keys in erased.items() if keys}


@contextmanager
def _with_ledger(plan: ErasurePlan, store: Path) -> Iterator[list[tuple[str, Snapshot]]]:
    """Open every snapshot of the store, and those in MLflow that hold the rows, of recipes that keep a ledger."""
    with tempfile.TemporaryDirectory() as scratch:
        snapshots = [(recipe, snapshot) for recipe, snapshot in all_snapshots(store) if recipe is not None]
        for number, tracks in enumerate(plan.tracked):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            with in_one_line(tracks.tracking_uri):
                snapshots += download_rows(tracks.runs, tracks.tracking_uri, folder)
        yield [(recipe, snapshot) for recipe, snapshot in snapshots if ledger_path(store, recipe).exists()]
