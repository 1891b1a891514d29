"""MLflow runs by their id: active, deleted, or removed permanently."""

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Run

from assay.runs.mlflow_errors import found


def run_exists(client: MlflowClient, run_id: str) -> bool:
    """Return whether MLflow has a run of this id that can be written to, which a deleted one cannot."""
    run = find_run(client, run_id)
    return run is not None and run.info.lifecycle_stage == LifecycleStage.ACTIVE


def find_run(client: MlflowClient, run_id: str) -> Run | None:
    """Return the run of this id, deleted or not, or None if MLflow does not (or no longer) know it."""
    return found(lambda: client.get_run(run_id))
