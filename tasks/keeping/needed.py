"""Snapshots that must stay in a store: versions were made of them, and MLflow did not take them for their size."""

from pathlib import Path

from serving.address import default_tracking_uri, has_database
from tasks.lineage.keeping import snapshot_folder
from tasks.tracking import mlflow_reachable
from tasks.versions.connection import connect
from tasks.versions.store import every_version
from tasks.versions.tags import SNAPSHOT_TAG


def needed_snapshots(store: Path) -> set[str]:
    """Digests of the snapshots that `assay reproduce` finds nowhere else.

    Raises:
        AssayError: MLflow does not answer; without it nobody knows what is needed.
    """
    uri = default_tracking_uri(store)
    if not has_database(uri):
        return set()
    client = connect(uri)
    needed = set()
    with mlflow_reachable(uri):
        for version in every_version(client):
            digest = version.tags.get(SNAPSHOT_TAG)
            if digest and version.run_id and not client.list_artifacts(version.run_id, snapshot_folder(digest)):
                needed.add(digest)
    return needed
