"""Snapshots that must stay in a store: versions were made of them, and MLflow did not take them for their size."""

from pathlib import Path

from serving.address import SQLITE, default_tracking_uri
from tasks.lineage.keeping import snapshot_folder
from tasks.tracking import mlflow_reachable
from tasks.versions.connection import connect


def needed_snapshots(store: Path) -> set[str]:
    """Digests of the snapshots that `assay reproduce` finds nowhere else.

    Raises:
        AssayError: MLflow does not answer; without it nobody knows what is needed.
    """
    uri = default_tracking_uri(store)
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists():
        return set()
    client = connect(uri)
    needed = set()
    with mlflow_reachable(uri):
        for model in client.search_registered_models():
            for version in client.search_model_versions(f"name = '{model.name}'"):
                digest = version.tags.get("assay.snapshot")
                if digest and version.run_id and not client.list_artifacts(version.run_id, snapshot_folder(digest)):
                    needed.add(digest)
    return needed
