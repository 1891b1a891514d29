"""The step that records the trainings of a run in MLflow: their reason, scores and acceptance."""

import time
from collections.abc import Sequence

from mlflow.entities import Metric, RunTag
from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.evaluation.attempts import Attempt
from assay.runs.mlflow_client import connect
from assay.runs.run import Run
from assay.runs.tracking import mlflow_reachable


@task(name="record-attempts", cache_policy=NO_CACHE)
def record_attempts(run: Run, attempts: Sequence[Attempt]) -> None:
    """Log the F1 of each attempt as a curve over the attempts, and a tag that describes each one."""
    now = int(time.time() * 1000)
    metrics = [
        Metric(f"attempt.{head}.f1", value, now, step)
        for step, attempt in enumerate(attempts)
        for head, value in attempt.f1.items()
    ]
    tags = [RunTag(f"assay.attempt.{step}", str(attempt)) for step, attempt in enumerate(attempts)]
    with mlflow_reachable(run.tracking_uri):
        connect(run.tracking_uri).log_batch(run.mlflow_run, metrics=metrics, tags=tags)
