"""Metrics of a training in MLflow while it runs: in the run of the pipeline, or in a run nested below it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from assay.runs.mlflow_client import connect
from assay.runs.parameters import parameter
from assay.runs.run import Run
from assay.runs.search_filters import equals
from assay.runs.tags import RUN_TAG, STEP_TAG
from assay.runs.tracking import Tracking, mlflow_reachable

# MLflow accepts at most 1000 metrics per call.
METRICS_PER_BATCH = 1000
# With a token head alone, the loss is also logged under the name that entity recognisers give it.
TOKEN_LOSS = {"train.loss": "ner.losses"}


class MetricLog:
    """Collector of metrics that sends them in batches, since a call per step would cost more than the step.

    A training that resumes from a checkpoint does the steps after it again; metrics that MLflow has of these steps are
    not sent twice.

    Args:
        client: MLflow.
        run_id: id of the MLflow run.
        also: further names of metrics, by name.
    """

    def __init__(self, client: MlflowClient, run_id: str, also: Mapping[str, str] | None = None) -> None:
        self.client = client
        self.run_id = run_id
        self._also = also or {}
        self._waiting: list[Metric] = []
        self._known: dict[tuple[str, int], float] | None = None

    def add(self, values: dict[str, float], step: int) -> None:
        """Add the metrics of one step; validation metrics, once per epoch, send all that are waiting."""
        now = int(time.time() * 1000)
        named = values | {also: values[name] for name, also in self._also.items() if name in values}
        self._waiting += [Metric(name, value, now, step) for name, value in named.items()]
        if len(self._waiting) >= METRICS_PER_BATCH or any(name.startswith("validation.") for name in values):
            self.flush()

    def flush(self) -> Self:
        """Send the metrics that are waiting."""
        known = self._earlier_values()
        new = [metric for metric in self._waiting if known.get((metric.key, metric.step)) != metric.value]
        for begin in range(0, len(new), METRICS_PER_BATCH):
            self.client.log_batch(self.run_id, metrics=new[begin : begin + METRICS_PER_BATCH])
        self._waiting = []
        return self

    def _earlier_values(self) -> dict[tuple[str, int], float]:
        """Return the latest values that earlier attempts have logged, by name and step; fetch them once."""
        if self._known is None:
            names = self.client.get_run(self.run_id).data.metrics
            history = [metric for name in names for metric in self.client.get_metric_history(self.run_id, name)]
            history.sort(key=lambda metric: metric.timestamp)
            self._known = {(metric.key, metric.step): metric.value for metric in history}
        return self._known


@contextmanager
def metric_log(run: Run) -> Iterator[MetricLog]:
    """Collect metrics for the MLflow run of the pipeline.

    Raises:
        AssayError: MLflow does not respond.
    """
    also = TOKEN_LOSS if run.recipe.heads == ["tokens"] else {}
    with mlflow_reachable(run.tracking_uri):
        log = MetricLog(connect(run.tracking_uri), run.mlflow_run, also)
        yield log
        log.flush()


@contextmanager
def nested_metric_log(run: Run, step: str, name: str, parameters: Mapping[str, Any]) -> Iterator[MetricLog]:
    """Collect metrics for an MLflow run nested below that of the pipeline; it ends with the block.

    Args:
        run: the run of the pipeline.
        step: folder name of the step, by which a repeated step finds its nested run.
        name: name that MLflow shows.
        parameters: settings that distinguish this training from others.

    Raises:
        AssayError: MLflow does not respond.
    """
    with mlflow_reachable(run.tracking_uri):
        client = connect(run.tracking_uri)
        run_id = _nested_run(client, run, step, name)
    nested = run.model_copy(update={"mlflow_run": run_id})
    with Tracking(run.tracking_uri, run_id).ended(), metric_log(nested) as log:
        client.log_batch(run_id, params=[parameter(key, value) for key, value in parameters.items()])
        yield log


def _nested_run(client: MlflowClient, run: Run, step: str, name: str) -> str:
    """Return the nested run of a step, of an earlier attempt or new."""
    experiment = client.get_run(run.mlflow_run).info.experiment_id
    query = f"{equals(f'tags.`{MLFLOW_PARENT_RUN_ID}`', run.mlflow_run)} AND {equals(f'tags.`{STEP_TAG}`', step)}"
    earlier = client.search_runs([experiment], query, max_results=1)
    if earlier:
        run_id = earlier[0].info.run_id
        client.update_run(run_id, status="RUNNING")
    else:
        tags = {MLFLOW_PARENT_RUN_ID: run.mlflow_run, STEP_TAG: step, RUN_TAG: run.key}
        run_id = client.create_run(experiment, tags=tags, run_name=name).info.run_id
    return str(run_id)
