"""Find the snapshot of a registered version: in MLflow, in the store, or by reading the source again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.errors import AssayError
from assay.corpus.overlay import Overlay, overlay_path, read_overlay, write_overlay
from assay.corpus.plural import counted
from assay.corpus.snapshot import MANIFEST, Snapshot, SnapshotManifest
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.registry.lineage.version_lineage import Lineage
from assay.runs.lineage_record import snapshot_folder
from assay.runs.mlflow_client import connect
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.runs.tracking import mlflow_reachable
from assay.tasks.extract import extract


@task(name="find-snapshot", cache_policy=NO_CACHE)
@reported("find")
def find_snapshot(run: Run, lineage: Lineage, store: Path) -> ArtifactRef[Snapshot]:
    """Return the verified snapshot that a version was made from.

    Args:
        run: run whose folder takes a download or a second extraction.
        lineage: lineage of the version.
        store: folder of the runs, which holds snapshots that were too large for MLflow.

    Raises:
        AssayError: the rows are neither in MLflow nor in the store, and the source holds other rows now.
    """
    manifest = lineage.snapshot
    for path in (_from_mlflow(run, lineage), _from_store(store, manifest)):
        if path is not None:
            current_step().conclude(f"{counted(manifest.counts.rows, 'row')} of {lineage.version.address}")
            Snapshot(path, manifest).verify()
            return ArtifactRef[Snapshot](path=path, digest=manifest.digest)
    return _from_source(run, lineage, store)


def _from_mlflow(run: Run, lineage: Lineage) -> Path | None:
    client, folder = connect(run.tracking_uri), snapshot_folder(lineage.snapshot.digest)
    run_id = str(lineage.version.run_id)
    with mlflow_reachable(run.tracking_uri):
        if not client.list_artifacts(run_id, folder):
            return None
        run.folder.mkdir(parents=True, exist_ok=True)
        return Path(client.download_artifacts(run_id, folder, str(run.folder)))


def _from_store(store: Path, manifest: SnapshotManifest) -> Path | None:
    for path in sorted((store / "runs").glob(f"*/extract-*/{MANIFEST}")):
        if SnapshotManifest.model_validate_json(path.read_bytes()).digest == manifest.digest:
            return path.parent
    return None


def _from_source(run: Run, lineage: Lineage, store: Path) -> ArtifactRef[Snapshot]:
    """Extract the snapshot again; a source that has changed in any byte is refused."""
    manifest = lineage.snapshot
    problem = (
        f"the {manifest.counts.rows} rows of {lineage.version.address} (snapshot {manifest.digest[:12]}) are no longer "
        f"available: they are neither in MLflow nor in {store / 'runs'}"
    )
    try:
        with _corrections_of(run, manifest, store) as run_with_corrections:
            snapshot = extract.fn(run_with_corrections)
    except AssayError as error:
        raise AssayError(f"{problem}, and the source cannot be read again: {error}") from error
    digest = Snapshot.load(snapshot.path).digest
    if digest != manifest.digest:
        raise AssayError(
            f"{problem}, and the source holds other rows now (snapshot {digest[:12]}); "
            "restore the folder of the run, or train a new version with assay run"
        )
    return snapshot


@contextmanager
def _corrections_of(run: Run, manifest: SnapshotManifest, store: Path) -> Iterator[Run]:
    """Give an extraction the corrections that the snapshot was read with, whatever people have corrected since."""
    name = run.recipe.name
    digest = None if manifest.corrections is None else manifest.corrections.overlay
    overlay = read_overlay(overlay_path(store, name), run.shared).as_of(digest)
    path = overlay_path(run.store, name)
    write_overlay(path, overlay or Overlay([]))
    try:
        # The shared store holds the present corrections.
        yield run.model_copy(update={"shared": None})
    finally:
        path.unlink()
