"""Rows erased on request: out of the snapshots of a store and out of its ledgers, and who trained on them.

Ids are those of rows; the id of a parse document stands for all its sentences. What was made of a snapshot that held
such a row (splits, encoded rows, answers) goes too; bundles stay, and versions that trained on a row are named, since a
model cannot unlearn. Snapshots that MLflow keeps as artifacts go there; the sides that it keeps, which hold ids and no
texts, stay: they tell which version knew the row. Everything is looked at and locked before the
first write; what is broken off is done whole by the same command again.
"""

import json
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from filelock import Timeout
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from pydantic import BaseModel

from corpus.atomic import atomic_folder, atomic_path, mend_folders
from corpus.digest import digest_folder
from corpus.errors import AssayError
from corpus.example import Example
from corpus.snapshot import MANIFEST, REJECTS, Snapshot, SnapshotWriter
from corpus.splits import Splits
from tasks.lineage.keeping import data_folder, snapshot_folder
from tasks.run import MARKER
from tasks.session import read_state, run_lock
from tasks.sharing.store import shared_store
from tasks.sides.duplicates import HASH_BYTES, all_keys
from tasks.sides.ledger import ledger_path, open_ledger
from tasks.tracking import mlflow_reachable
from tasks.versions.connection import connect
from tasks.versions.store import Version, every_version
from tasks.versions.tags import SNAPSHOT_TAG, SPLITS_TAG

# A bundle is what was registered, to the last byte; the version it belongs to is named.
KEPT_STEPS = ("extract-", "export-")


class Found(BaseModel):
    """Rows to erase in one snapshot of the store."""

    snapshot: Path
    run: str
    recipe: str
    rows: list[str]
    reject_lines: int


class TrainedOn(BaseModel):
    """A version that saw rows, by their side; `artifacts` are folders of MLflow that hold them."""

    address: str
    run_id: str
    sides: dict[str, int]
    artifacts: list[str]


class ForgetPlan(BaseModel):
    """What would be erased where, and which versions saw it."""

    ids: list[str]
    found: list[Found]
    versions: list[TrainedOn]


def plan_forgetting(ids: Sequence[str], store: Path, tracking_uri: str | None) -> ForgetPlan:
    """Look for rows in every snapshot of a store and in the sides of every version; nothing is changed.

    But snapshots that an earlier call was killed in are put right first: else it would not see their rows.

    Raises:
        AssayError: no id, or MLflow does not answer.
    """
    if not ids or not all(ids):
        raise AssayError("no id to forget; name the ids of rows, or of documents")
    _check_shared_store()
    for run in sorted({path.parent for path in (store / "runs").glob("*/.extract-*")}):
        with _locked(store, [run.name]):
            mend_folders(run, "extract-*")
    found = [one for path in sorted((store / "runs").glob(f"*/extract-*/{MANIFEST}")) if (one := _look(path, ids))]
    versions = list(_versions(ids, tracking_uri)) if tracking_uri else []
    return ForgetPlan(ids=list(ids), found=found, versions=versions)


def forget(plan: ForgetPlan, store: Path, tracking_uri: str | None) -> int:
    """Erase what was planned; gives how many keys left the ledgers.

    Raises:
        AssayError: a run is being worked on, a ledger is damaged, or MLflow does not answer.
    """
    with _locked(store, {one.run for one in plan.found}):
        keys = _keys(plan, store)
        if tracking_uri:
            _erase_artifacts(plan, tracking_uri)
        gone = 0
        for recipe in sorted(keys):
            with open_ledger(ledger_path(store, recipe)) as ledger:
                gone += ledger.forget(np.frombuffer(b"".join(keys[recipe]), dtype=f"S{HASH_BYTES}"))
        # Snapshots last: as long as they hold a row, the command finds it again.
        for one in plan.found:
            _erase_derived(store / "runs" / one.run)
            _erase_rows(one.snapshot, plan.ids)
        return gone


def is_one_of(row_id: str, ids: Iterable[str]) -> bool:
    """Whether a row has one of the ids, or is a sentence of a document that has."""
    return any(row_id == one or row_id.startswith(f"{one}#") for one in ids)


def _look(manifest: Path, ids: Sequence[str]) -> Found | None:
    folder = manifest.parent
    snapshot = Snapshot.load(folder)
    state = read_state(folder.parent)
    rows = [row for batch in snapshot.batches(["id"]) for row in batch["id"].to_pylist() if is_one_of(row, ids)]
    lines = sum(is_one_of(json.loads(line)["id"], ids) for line in _lines(snapshot.rejects_path))
    if not rows and not lines:
        return None
    return Found(snapshot=folder, run=state.key, recipe=state.recipe_name, rows=rows, reject_lines=lines)


def _versions(ids: Sequence[str], tracking_uri: str) -> Iterator[TrainedOn]:
    client = connect(tracking_uri)
    with mlflow_reachable(tracking_uri):
        for version in every_version(client):
            if seen := _seen(client, version, ids):
                yield seen


def _seen(client: MlflowClient, version: Version, ids: Sequence[str]) -> TrainedOn | None:
    splits, run_id = version.tags.get(SPLITS_TAG), version.run_id
    if not splits or run_id is None or not client.list_artifacts(run_id, data_folder(splits)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        sides = Splits.load(Path(client.download_artifacts(run_id, data_folder(splits), folder))).sides
    counts: dict[str, int] = {}
    for row, side in sides.items():
        if is_one_of(row, ids):
            counts[side] = counts.get(side, 0) + 1
    if not counts:
        return None
    holding = (snapshot_folder(version.tags.get(SNAPSHOT_TAG, "")), "evaluation")
    artifacts = [path for path in holding if client.list_artifacts(run_id, path)]
    return TrainedOn(address=version.address, run_id=run_id, sides=counts, artifacts=artifacts)


def _check_shared_store() -> None:
    """What lies in the shared store under digests of files is not looked through."""
    if (shared := shared_store()) is not None and shared.names("runs", f"*/extract-*/{MARKER}"):
        raise AssayError(
            f"rows lie in {shared.address}, which is not looked through; remove runs/ and files/ there, not ledger/, "
            "then forget on every machine that has worked with it"
        )


@contextmanager
def _locked(store: Path, runs: Collection[str]) -> Iterator[None]:
    with ExitStack() as stack:
        for run in sorted(runs):
            try:
                stack.enter_context(run_lock(store / "runs" / run))
            except Timeout:
                raise AssayError(
                    f"{store / 'runs' / run} is being worked on by another process; wait for it, nothing was erased"
                ) from None
        yield


def _keys(plan: ForgetPlan, store: Path) -> dict[str, set[bytes]]:
    """Keys to take out of each recipe's ledger: those that no row shares which stays."""
    gone: dict[str, set[bytes]] = {}
    for one in plan.found:
        for row in _rows(one.snapshot):
            if is_one_of(row.id, plan.ids):
                gone.setdefault(one.recipe, set()).update(all_keys(row.text, row.text_pair))
    for path in (store / "runs").glob(f"*/extract-*/{MANIFEST}"):
        recipe = read_state(path.parent.parent).recipe_name
        if recipe in gone:
            for row in _rows(path.parent):
                if not is_one_of(row.id, plan.ids):
                    gone[recipe] -= all_keys(row.text, row.text_pair)
    return {recipe: keys for recipe, keys in gone.items() if keys and ledger_path(store, recipe).exists()}


def _rows(folder: Path) -> Iterator[Example]:
    return Snapshot.load(folder).examples()


def _erase_artifacts(plan: ForgetPlan, tracking_uri: str) -> None:
    client = connect(tracking_uri)
    with mlflow_reachable(tracking_uri):
        for version in plan.versions:
            location = client.get_run(version.run_id).info.artifact_uri
            repository = get_artifact_repository(location, tracking_uri=tracking_uri)
            for path in version.artifacts:
                repository.delete_artifacts(path)  # type: ignore[no-untyped-call]  # MLflow declares no types here


def _erase_derived(run: Path) -> None:
    """Everything that steps made of the rows, but the bundle."""
    for path in run.iterdir():
        if path.is_dir() and (path.name.endswith(".partial") or not path.name.startswith(KEPT_STEPS)):
            shutil.rmtree(path)


def _erase_rows(folder: Path, ids: Sequence[str]) -> None:
    """Write the snapshot anew without the rows, in place of the old one; the mark of its step fits again."""
    old = Snapshot.load(folder)
    with atomic_folder(folder) as partial:
        with SnapshotWriter(partial, old.manifest.slices, old.manifest.source) as writer:
            for row in old.examples():
                if not is_one_of(row.id, ids):
                    writer.add([row])
            manifest = writer.finish()
        counts = old.manifest.counts.model_copy(update={"rows": manifest.counts.rows})
        erased = old.manifest.erased + len(old) - manifest.counts.rows
        manifest = manifest.model_copy(update={"counts": counts, "erased": erased})
        (partial / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        kept = [line for line in _lines(old.rejects_path) if not is_one_of(json.loads(line)["id"], ids)]
        (partial / REJECTS).write_text("".join(kept), encoding="utf-8", errors="backslashreplace")
        files = digest_folder(partial)
        marker = json.loads((folder / MARKER).read_bytes()) | {"files": files}
        with atomic_path(partial / MARKER) as path:
            path.write_text(json.dumps(marker, indent=2), encoding="utf-8")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True)
