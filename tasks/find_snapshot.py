"""The rows of then: kept in MLflow, lying in the store, or read from the source again."""

import logging
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import MANIFEST, Snapshot, SnapshotManifest
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.registry.lineage.origin import Lineage
from assay.runs.mlflow_client import connect
from assay.runs.origin_record import snapshot_folder
from assay.runs.run import Run
from assay.runs.tracking import mlflow_reachable
from assay.tasks.extract import extract

logger = logging.getLogger(__name__)


@task(name="find-snapshot", cache_policy=NO_CACHE)
def find_snapshot(run: Run, lineage: Lineage, store: Path) -> ArtifactRef[Snapshot]:
    """The snapshot that a version was made of, verified.

    Args:
        run: where a download or a second reading goes.
        lineage: of the version.
        store: folder of the runs, in which snapshots lie that were too large for MLflow.

    Raises:
        AssayError: the rows are gone: they lie neither here nor there, and the source holds others now.
    """
    wanted = lineage.snapshot
    for found in (_from_mlflow(run, lineage), _from_store(store, wanted)):
        if found is not None:
            logger.info("the rows of %s: %s", lineage.version.address, found)
            Snapshot(found, wanted).verify()
            return ArtifactRef[Snapshot](path=found, digest=wanted.digest)
    return _from_source(run, lineage, store)


def _from_mlflow(run: Run, lineage: Lineage) -> Path | None:
    client, folder = connect(run.tracking_uri), snapshot_folder(lineage.snapshot.digest)
    run_id = str(lineage.version.run_id)
    with mlflow_reachable(run.tracking_uri):
        if not client.list_artifacts(run_id, folder):
            return None
        run.folder.mkdir(parents=True, exist_ok=True)
        return Path(client.download_artifacts(run_id, folder, str(run.folder)))


def _from_store(store: Path, wanted: SnapshotManifest) -> Path | None:
    for path in sorted((store / "runs").glob(f"*/extract-*/{MANIFEST}")):
        if SnapshotManifest.model_validate_json(path.read_bytes()).digest == wanted.digest:
            return path.parent
    return None


def _from_source(run: Run, lineage: Lineage, store: Path) -> ArtifactRef[Snapshot]:
    """What a pinned or unchanged source gives is the same to the last byte; anything else is not taken."""
    wanted = lineage.snapshot
    gone = (
        f"the {wanted.counts.rows} rows of {lineage.version.address} (snapshot {wanted.digest[:12]}) are gone: "
        f"they are neither in MLflow nor below {store / 'runs'}"
    )
    try:
        found = extract.fn(run)
    except AssayError as error:
        raise AssayError(f"{gone}, and the source cannot be read again: {error}") from error
    digest = Snapshot.load(found.path).digest
    if digest != wanted.digest:
        raise AssayError(
            f"{gone}, and the source holds other rows now (snapshot {digest[:12]}); "
            "put the folder of the run back, or train anew with assay run"
        )
    return found
