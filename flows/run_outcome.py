"""The outcome of a flow run: its MLflow run, found by a tag, with metrics, verdict and predictions."""

import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from pydantic import BaseModel

from assay.evaluation.labelled_predictions import PREDICTIONS
from assay.evaluation.verdict import Verdict
from assay.recipes.recipe import Recipe
from assay.registry.approval_records import VERDICT, ApprovalRecords
from assay.registry.versions import Version, Versions
from assay.runs.lineage_record import predictions_folder
from assay.runs.mlflow_client import connect
from assay.runs.search_filters import equals
from assay.runs.tracking import mlflow_reachable, tracking_uri_for
from assay.serving.registered_model import test_metrics


class Outcome(BaseModel):
    """The state of a run so far. Verdict, outcome and version are None until they exist.

    Attributes:
        metrics: metrics on test rows.
        outcome: outcome of the verdict, or of the approval decision about it: `pending`, or `refused` if the decision
            is no or was not made in time.
        reported: whether the run has ended and recorded its metrics and predictions.
    """

    mlflow_run: str
    metrics: dict[str, float]
    verdict: Verdict | None
    outcome: str | None
    version: str | None
    reported: bool


def find_outcome(flow_run: str, recipe: Recipe, store: Path) -> Outcome | None:
    """Return what a flow run has recorded in MLflow so far; None if it has not started.

    Args:
        flow_run: id of the flow run.
        recipe: recipe of the flow run.
        store: folder of sqlite if there is no MLflow server.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    uri = tracking_uri_for(recipe, store)
    with mlflow_reachable(uri):
        client = connect(uri)
        run = _mlflow_run(client, flow_run, recipe)
        if run is None:
            return None
        versions = Versions(client, recipe.registry.name, uri)
        reported = _verdict(client, run.info.run_id)
        proposed = _proposed_version(versions, flow_run)
        verdict = reported or (ApprovalRecords(client, versions).verdict(proposed) if proposed else None)
        version = versions.find(verdict.bundle) if verdict else None
        tested = verdict.outcome if verdict else None
        return Outcome(
            mlflow_run=run.info.run_id,
            metrics=dict(sorted(test_metrics(run.data.metrics).items())),
            verdict=verdict,
            outcome=proposed.outcome if proposed else tested,
            version=version.address if version else None,
            reported=reported is not None,
        )


def read_predictions(outcome: Outcome, recipe: Recipe, store: Path) -> bytes | None:
    """Return the predictions for the test rows as Parquet; None until the run ends, also while it waits for approval.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    if outcome.verdict is None or not outcome.reported:
        return None
    uri = tracking_uri_for(recipe, store)
    path = f"{predictions_folder(outcome.verdict.bundle)}/{PREDICTIONS}"
    with mlflow_reachable(uri), tempfile.TemporaryDirectory() as folder:
        return Path(connect(uri).download_artifacts(outcome.mlflow_run, path, folder)).read_bytes()


def _mlflow_run(client: MlflowClient, flow_run: str, recipe: Recipe) -> MlflowRun | None:
    """Return the newest MLflow run of the flow run: one that was restarted after a crash may have two."""
    experiment = client.get_experiment_by_name(recipe.registry.experiment or recipe.registry.name)
    if experiment is None:
        return None
    query = equals("tags.`prefect.flow_run`", flow_run)
    runs = client.search_runs([experiment.experiment_id], query, order_by=["attributes.start_time DESC"], max_results=1)
    return runs[0] if runs else None


def _proposed_version(versions: Versions, flow_run: str) -> Version | None:
    """Return the version that the run last submitted for approval, whatever the decision."""
    proposed = [
        version for version in versions.of_run(flow_run) if version.approval and version.approval.run == flow_run
    ]
    return proposed[-1] if proposed else None


def _verdict(client: MlflowClient, run_id: str) -> Verdict | None:
    if not any(file.path == VERDICT for file in client.list_artifacts(run_id)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        return Verdict.model_validate_json(Path(client.download_artifacts(run_id, VERDICT, folder)).read_bytes())
