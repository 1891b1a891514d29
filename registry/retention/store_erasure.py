"""Erasure of rows from the folders of a store.

Rows lie in the snapshots of its runs and in the results made of these. Copies of rows, which are made again on demand,
lie in the folders of monitoring and of reproductions, in rejected rows, in interrupted extractions and in the results
of `assay validate`. Cards quote test rows.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel

from assay.corpus.corrected_rows import read_corrected_rows, write_corrected_rows
from assay.corpus.documents.tag_uses import TagUse
from assay.corpus.errors import AssayError
from assay.corpus.overlay import ADDED, FOLDER, added_id, read_overlay
from assay.corpus.snapshot import MANIFEST, REJECTS, Snapshot, SnapshotWriter
from assay.corpus.splits import MANIFEST as SPLITS_MANIFEST
from assay.corpus.splits import Splits
from assay.corpus.storage.atomic import PARTIAL, atomic_folder, atomic_path
from assay.corpus.storage.digest import digest_folder
from assay.corpus.storage.object_store import SharedStore
from assay.evaluation.drift.window_statistics import REFERENCE
from assay.registry.approval_records import VERDICT, WAITING
from assay.registry.retention.task_files import task_files
from assay.runs.run_states import STATE, read_state
from assay.runs.step_result import STEP_MANIFEST

PARTS = "part-*.parquet"
# A bundle stays as it was registered, to the last byte; its version is named.
RETAINED_STEPS = ("extract-", "export-")


class StoredCopies(BaseModel):
    """Rows to erase in one snapshot of the store."""

    snapshot: Path
    digest: str
    run: str
    rows: list[str]
    reject_lines: int


class StoredCorrections(BaseModel):
    """Rows to erase in the corrections of one recipe, history included."""

    path: Path
    rows: list[str]


class Copy(BaseModel):
    """A folder or file to remove, and its kind; `owner` is the folder whose lock its users hold."""

    path: Path
    what: str
    owner: Path


def is_one_of(row_id: str, ids: Iterable[str]) -> bool:
    """Return whether a row has one of the ids, or is a sentence of a document that has."""
    return any(row_id == id_ or row_id.startswith(f"{id_}#") for id_ in ids)


def row_ids(snapshot: Snapshot, ids: Sequence[str]) -> list[str]:
    """Return the ids of a snapshot's rows that match the ids."""
    return [row for batch in snapshot.batches(["id"]) for row in batch["id"].to_pylist() if is_one_of(row, ids)]


def holds_rows(folder: Path, ids: Sequence[str]) -> bool:
    """Return whether a snapshot holds a row; an incomplete one that cannot be read counts as one that does."""
    try:
        return bool(row_ids(Snapshot.load(folder), ids))
    except (AssayError, OSError, pa.ArrowException):
        return True


def all_snapshots(store: Path) -> Iterator[tuple[str | None, Snapshot]]:
    """Yield every snapshot of the runs with the name of its recipe, None if the shared store alone knows the name."""
    for path in sorted((store / "runs").glob(f"*/extract-*/{MANIFEST}")):
        folder, run = path.parent, path.parent.parent
        if not folder.name.endswith(PARTIAL):
            yield read_state(run).recipe_name if (run / STATE).exists() else None, Snapshot.load(folder)


def find_rows(store: Path, ids: Sequence[str]) -> Iterator[StoredCopies]:
    """Yield the snapshots of the runs that hold a row, or a rejected row."""
    for _, snapshot in all_snapshots(store):
        rows, rejects = row_ids(snapshot, ids), _rejects_of(snapshot.rejects_path, ids)
        if rows or rejects:
            yield StoredCopies(
                snapshot=snapshot.folder,
                digest=snapshot.digest,
                run=snapshot.folder.parent.name,
                rows=rows,
                reject_lines=rejects,
            )


def _correction_files(store: Path, shared: SharedStore | None) -> list[Path]:
    names = {path.name for path in (store / FOLDER).glob("*.jsonl")}
    if shared is not None:
        names.update(Path(name).name for name in shared.names(FOLDER, "*.jsonl"))
    return sorted(store / FOLDER / name for name in names)


def find_corrections(store: Path, ids: Sequence[str], shared: SharedStore | None = None) -> Iterator[StoredCorrections]:
    """Yield the files of corrections that hold a row, in the store or in the one that machines share."""
    for path in _correction_files(store, shared):
        known = {*read_overlay(path).latest, *read_overlay(path, shared).latest}
        if rows := sorted(row for row in known if is_one_of(row, ids)):
            yield StoredCorrections(path=path, rows=rows)


def added_ids(store: Path, ids: Sequence[str], shared: SharedStore | None = None) -> list[str]:
    """Return the ids under which people added rows, or were asked to, that the source holds under other ids now.

    Args:
        store: folder of runs.
        ids: ids of rows, or of documents; the snapshots of the store say which texts they have.
        shared: the store that machines share.
    """
    files = _correction_files(store, shared)
    rows = {row for path in files for row in (*read_overlay(path).latest, *read_overlay(path, shared).latest)}
    rows.update(row for _, of_tasks in task_files(store) for row in of_tasks)
    known = {row for row in rows if row.startswith(ADDED)}
    if not known:
        return []
    columns = ["id", "text", "text_pair"]
    found = {
        added_id(row["text"], row["text_pair"])
        for _, snapshot in all_snapshots(store)
        for batch in snapshot.batches(columns)
        for row in batch.to_pylist()
        if is_one_of(row["id"], ids)
    }
    return sorted(known & found - set(ids))


def find_copies(store: Path, ids: Sequence[str], snapshots: Collection[str]) -> Iterator[Copy]:
    """Yield everything else in the store that holds a row.

    Args:
        store: folder of runs.
        ids: ids of rows, or of documents.
        snapshots: digests of the snapshots that hold them, including those in MLflow.
    """
    for path in sorted((store / "monitoring").glob(f"*/reference-*/{REFERENCE}")):
        if json.loads(path.read_bytes())["snapshot"] in snapshots:
            yield _copy(path.parent, "the reference of monitoring")
    for path in sorted((store / "monitoring").glob("*/runs")):
        if _holds(path, ids):
            yield _copy(path, "rows read again for monitoring")
    for path in sorted((store / "reproductions").glob("*")):
        if _holds(path, ids):
            yield Copy(path=path, what="a reproduced version", owner=path)
    for path in sorted((store / "runs").glob(f"*/{REJECTS}")):
        if _rejects_of(path, ids):
            yield _copy(path, "rejected rows")
    for path in sorted((store / "runs").glob(f"*/extract-*{PARTIAL}")):
        yield _copy(path, "an interrupted extraction, which may hold them")
    for path, rows in task_files(store):
        if any(is_one_of(row, ids) for row in rows):
            yield _copy(path, "tasks for an annotation tool")
    yield from _copies_of_checks(store, ids)
    yield from _cards(store, snapshots)


def _copies_of_checks(store: Path, ids: Sequence[str]) -> Iterator[Copy]:
    """Yield what `assay validate` leaves: rejected rows and, if it was killed, results of its steps and a ledger."""
    for run in sorted((store / "checks").glob("*/runs/*")):
        if (run / REJECTS).exists() and _rejects_of(run / REJECTS, ids):
            yield _copy(run / REJECTS, "rejected rows of assay validate")
        for path in sorted((run.parents[1] / "ledger", *run.glob("*/"))):
            if path.is_dir():
                yield Copy(path=path, what="left by an interrupted assay validate, which may hold them", owner=run)


def _cards(store: Path, snapshots: Collection[str]) -> Iterator[Copy]:
    """Yield the cards of verdicts on these snapshots, which quote test rows: finished ones and those in an approval."""
    for path in sorted((store / "runs").glob(f"*/{WAITING}")):
        if json.loads(path.read_bytes())["verdict"]["snapshot"] in snapshots:
            yield _copy(path, "the card of a version that waits for approval")
    for path in sorted((store / "runs").glob(f"*/cards/*/{VERDICT}")):
        if json.loads(path.read_bytes())["snapshot"] in snapshots:
            yield Copy(path=path.parent, what="a model card", owner=path.parents[2])


def _copy(path: Path, what: str) -> Copy:
    return Copy(path=path, what=what, owner=path.parent)


def erase_copy(copy: Copy) -> None:
    """Remove a copy."""
    if copy.path.is_dir():
        shutil.rmtree(copy.path)
    else:
        copy.path.unlink(missing_ok=True)


def erase_derived(run: Path) -> None:
    """Remove every result that steps of a run made of the rows, except the bundle."""
    for path in run.iterdir():
        if path.is_dir() and (path.name.endswith(PARTIAL) or not path.name.startswith(RETAINED_STEPS)):
            shutil.rmtree(path)


def erase_rows(folder: Path, ids: Sequence[str]) -> None:
    """Replace a snapshot by one without the rows, and update the manifest of its step."""
    old = Snapshot.load(folder)
    with atomic_folder(folder) as partial:
        with SnapshotWriter(partial, old.manifest.slices, old.manifest.source) as writer:
            for row in old.examples():
                if not is_one_of(row.id, ids):
                    writer.add([row])
            manifest = writer.finish()
        counts = old.manifest.counts.model_copy(update={"rows": manifest.counts.rows})
        erased = old.manifest.erased + len(old) - manifest.counts.rows
        uses = [_without_example(use, ids) for use in old.manifest.tag_uses]
        unchanged = {name: getattr(old.manifest, name) for name in ("label_keys", "corrections")}
        updates = {"counts": counts, "erased": erased, "tag_uses": uses, **unchanged}
        manifest = manifest.model_copy(update=updates)
        (partial / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        with (partial / REJECTS).open("w", encoding="utf-8", errors="backslashreplace") as rejects:
            rejects.writelines(line for line in _lines(old.rejects_path) if not is_one_of(json.loads(line)["id"], ids))
        write_corrected_rows([row for row in read_corrected_rows(folder) if not is_one_of(row.id, ids)], partial)
        files = digest_folder(partial)
        step_manifest = json.loads((folder / STEP_MANIFEST).read_bytes()) | {"files": files}
        with atomic_path(partial / STEP_MANIFEST) as path:
            path.write_text(json.dumps(step_manifest, indent=2), encoding="utf-8")


def _without_example(use: TagUse, ids: Sequence[str]) -> TagUse:
    """Return the use of a tag scheme without its example where that row is erased."""
    is_erased = use.example is not None and is_one_of(use.example, ids)
    return use.model_copy(update={"example": None}) if is_erased else use


def _holds(folder: Path, ids: Sequence[str]) -> bool:
    """Return whether a snapshot or its splits below a folder hold a row, or an unfinished result there may."""
    if next(folder.rglob(f"*{PARTIAL}"), None) is not None:
        return True
    snapshots = {path.parent for path in (*folder.rglob(PARTS), *folder.rglob(MANIFEST))}
    return any(holds_rows(path, ids) for path in snapshots) or any(
        is_one_of(row, ids) for path in folder.rglob(SPLITS_MANIFEST) for row in Splits.load(path.parent).split_of
    )


def _rejects_of(path: Path, ids: Sequence[str]) -> int:
    return sum(is_one_of(json.loads(line)["id"], ids) for line in _lines(path))


def _lines(path: Path) -> Iterator[str]:
    # Only \n ends a line here: str.splitlines would also cut at U+2028, which JSON may hold unescaped.
    with path.open(encoding="utf-8", newline="\n") as lines:
        yield from lines
