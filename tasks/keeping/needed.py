"""Snapshots that must stay in a store: versions were made of them, and MLflow did not take them for their size."""

from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient

from serving.address import existing_tracking_uri
from tasks.keeping.stored import all_snapshots
from tasks.lineage.keeping import snapshot_folder
from tasks.session import read_states
from tasks.tracking import mlflow_reachable
from tasks.versions.connection import connect
from tasks.versions.runs import find_run
from tasks.versions.store import every_version
from tasks.versions.tags import SNAPSHOT_TAG


def needed_snapshots(store: Path) -> set[str]:
    """Digests of the snapshots that `assay reproduce` finds nowhere else, or may: those of runs in another MLflow.

    Raises:
        AssayError: there are runs and no MLflow, or it does not answer; without it nobody knows what is needed.
    """
    if not read_states(store):
        return set()
    uri = existing_tracking_uri(store)
    client = connect(uri)
    with mlflow_reachable(uri):
        return {*_of_versions(client), *_of_runs_elsewhere(client, store)}


def _of_versions(client: MlflowClient) -> Iterator[str]:
    for version in every_version(client):
        digest = version.tags.get(SNAPSHOT_TAG)
        if digest and version.run_id and not client.list_artifacts(version.run_id, snapshot_folder(digest)):
            yield digest


def _of_runs_elsewhere(client: MlflowClient, store: Path) -> Iterator[str]:
    """A recipe may name an MLflow of its own, whose versions nobody asked about here."""
    elsewhere = {one.key for one in read_states(store) if find_run(client, one.mlflow_run) is None}
    for _, snapshot in all_snapshots(store):
        if snapshot.folder.parent.name in elsewhere:
            yield snapshot.digest
