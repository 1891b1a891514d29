"""Snapshots that must stay in a store: versions were made of them, and they are too large for MLflow."""

import logging
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry.retention.store_erasure import all_snapshots
from assay.registry.retention.tracking_addresses import in_one_line, runs_elsewhere, tracking_addresses
from assay.registry.versions import every_version
from assay.runs.lineage_record import snapshot_folder
from assay.runs.mlflow_client import connect
from assay.runs.mlflow_runs import find_run
from assay.runs.run_states import read_states
from assay.runs.tags import SNAPSHOT_TAG

logger = logging.getLogger(__name__)


def protected_snapshots(store: Path) -> set[str]:
    """Return the digests of the snapshots that `assay reproduce` finds nowhere else.

    Snapshots of runs in an MLflow that does not respond are protected, too.

    Raises:
        AssayError: there are runs, but no MLflow responds to tell which snapshots are protected.
    """
    if not read_states(store):
        return set()
    protected: set[str] = set()
    searched: list[str] = []
    for uri in tracking_addresses(store):
        try:
            with in_one_line(uri):
                protected.update(_of_versions(connect(uri)))
            searched.append(uri)
        except AssayError as error:
            logger.warning("snapshots of its runs stay: %s", error)
    if not searched:
        raise AssayError(f"no MLflow of {store} responds, so that no snapshot can be released; see assay doctor")
    return protected | set(_of_runs_elsewhere(store, searched))


def _of_versions(client: MlflowClient) -> Iterator[str]:
    for version in every_version(client):
        digest = version.tags.get(SNAPSHOT_TAG)
        if digest and version.run_id and not _keeps(client, version.run_id, digest):
            yield digest


def _keeps(client: MlflowClient, run_id: str, digest: str) -> bool:
    """Return whether MLflow keeps the rows of a snapshot with a run; it keeps nothing of a run removed permanently."""
    return find_run(client, run_id) is not None and bool(client.list_artifacts(run_id, snapshot_folder(digest)))


def _of_runs_elsewhere(store: Path, searched: list[str]) -> Iterator[str]:
    """Yield the snapshots of runs in another MLflow: a recipe may name one of its own that does not respond."""
    elsewhere = set(runs_elsewhere(store, searched))
    for _, snapshot in all_snapshots(store):
        if snapshot.folder.parent.name in elsewhere:
            yield snapshot.digest
