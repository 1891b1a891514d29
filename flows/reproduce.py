"""The flow that trains a registered version again and compares the result with the version."""

import shutil
from pathlib import Path

from prefect import flow

from assay.flows.training_attempts import best_candidate
from assay.registry.lineage.version_lineage import lineages
from assay.serving.address import existing_tracking_uri
from assay.tasks.evaluate import evaluate
from assay.tasks.find_snapshot import find_snapshot
from assay.tasks.reproduce import Reproduction, compare, open_reproduction, registered_bundle
from assay.tasks.split import split


@flow(name="reproduce", flow_run_name="reproduce-{model}", persist_result=False, result_serializer="json")
def reproduce(model: str, store: Path = Path(".assay"), registry_uri: str | None = None) -> Reproduction:
    """Train a version again in an empty store and compare. Registers nothing and leaves the split ledger unchanged.

    Args:
        model: `models:/NAME/VERSION` or `models:/NAME@champion`.
        store: folder of the runs; the reproduction runs in its folder `reproductions`.
        registry_uri: address of MLflow. None: MLFLOW_TRACKING_URI, or sqlite in the store if that is not set.

    Raises:
        AssayError: there is no such version, it has no lineage, or its rows are no longer available.
    """
    uri = registry_uri or existing_tracking_uri(store)
    with lineages(uri, model) as (lineage,), open_reproduction(lineage, store, uri) as run:
        snapshot = find_snapshot(run, lineage, store)
        splits = split(run, snapshot)
        then = registered_bundle(run, lineage)
        precisions = [one.precision for one in then.manifest.measured]
        candidate, _ = best_candidate(run, snapshot, splits, precisions)
        evaluation = evaluate(run, candidate.bundle, snapshot, splits)
        result = compare(run, lineage, then, splits, candidate.checkpoint, candidate.bundle, evaluation)
    if result.equal:
        shutil.rmtree(run.store)
    return result
