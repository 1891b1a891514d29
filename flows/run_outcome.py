"""What came of a flow run: the MLflow run it made, found by its tag, with figures, verdict and answers."""

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
from assay.runs.mlflow_client import connect
from assay.runs.origin_record import predictions_folder
from assay.runs.search_filters import equals
from assay.runs.tracking import mlflow_reachable, tracking_uri_for
from assay.serving.registered_model import test_metrics


class Outcome(BaseModel):
    """Where a run has come to. Figures are on test rows; verdict, outcome and version are None until there are some.

    `outcome`: of the verdict, or what became of the question that a person was asked about it: `pending`, and
    `refused` where the answer is no, or did not come in time.
    `reported`: the run has come to its end, where it leaves figures and answers.
    """

    mlflow_run: str
    metrics: dict[str, float]
    verdict: Verdict | None
    outcome: str | None
    version: str | None
    reported: bool


def find_outcome(flow_run: str, recipe: Recipe, store: Path) -> Outcome | None:
    """What a flow run has left in MLflow so far; None where it has not begun.

    Args:
        flow_run: id of the flow run.
        recipe: that it runs.
        store: folder of sqlite where there is no MLflow server.

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
        asked = _asked_about(versions, flow_run)
        verdict = reported or (ApprovalRecords(client, versions).verdict(asked) if asked else None)
        version = versions.find(verdict.bundle) if verdict else None
        tested = verdict.outcome if verdict else None
        return Outcome(
            mlflow_run=run.info.run_id,
            metrics=dict(sorted(test_metrics(run.data.metrics).items())),
            verdict=verdict,
            outcome=asked.outcome if asked else tested,
            version=version.address if version else None,
            reported=reported is not None,
        )


def read_predictions(outcome: Outcome, recipe: Recipe, store: Path) -> bytes | None:
    """The answers to the test rows, as Parquet; None before the end of the run, so while it waits for approval.

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
    """The newest one: what was begun again after a crash may have made another."""
    experiment = client.get_experiment_by_name(recipe.registry.experiment or recipe.registry.name)
    if experiment is None:
        return None
    query = equals("tags.`prefect.flow_run`", flow_run)
    found = client.search_runs(
        [experiment.experiment_id], query, order_by=["attributes.start_time DESC"], max_results=1
    )
    return found[0] if found else None


def _asked_about(versions: Versions, flow_run: str) -> Version | None:
    """The version that the run asked a person about last, however that ended."""
    asked = [one for one in versions.of_run(flow_run) if one.approval and one.approval.run == flow_run]
    return asked[-1] if asked else None


def _verdict(client: MlflowClient, run_id: str) -> Verdict | None:
    if not any(file.path == VERDICT for file in client.list_artifacts(run_id)):
        return None
    with tempfile.TemporaryDirectory() as folder:
        return Verdict.model_validate_json(Path(client.download_artifacts(run_id, VERDICT, folder)).read_bytes())
