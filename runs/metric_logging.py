"""Figures of a training in MLflow while it goes on: in the run of the pipeline, or in a run nested below it."""

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
from assay.runs.tags import RUN_TAG
from assay.runs.tracking import Tracking, mlflow_reachable

# MLflow takes at most 1000 metrics in one call.
METRICS_A_BATCH = 1000
# Where entities are all that is learnt, the loss is also logged by the name that entity recognisers give it.
TOKEN_LOSS = {"train.loss": "ner.losses"}
STEP_TAG = "assay.step"


class MetricLog:
    """Gathers metrics and sends them many at a time: a call for each step would cost more than the step.

    `also` gives further names to metrics. A training that goes on from a checkpoint does the steps behind it again;
    figures that MLflow has of them are not sent twice.
    """

    def __init__(self, client: MlflowClient, run_id: str, also: Mapping[str, str] | None = None) -> None:
        self.client = client
        self.run_id = run_id
        self._also = also or {}
        self._waiting: list[Metric] = []
        self._known: dict[tuple[str, int], float] | None = None

    def add(self, values: dict[str, float], step: int) -> None:
        """Take the figures of one step; validation figures, once an epoch, send what has gathered."""
        now = int(time.time() * 1000)
        named = values | {also: values[name] for name, also in self._also.items() if name in values}
        self._waiting += [Metric(name, value, now, step) for name, value in named.items()]
        if len(self._waiting) >= METRICS_A_BATCH or any(name.startswith("validation.") for name in values):
            self.flush()

    def flush(self) -> Self:
        """Send what has gathered."""
        known = self._known_before()
        new = [metric for metric in self._waiting if known.get((metric.key, metric.step)) != metric.value]
        for begin in range(0, len(new), METRICS_A_BATCH):
            self.client.log_batch(self.run_id, metrics=new[begin : begin + METRICS_A_BATCH])
        self._waiting = []
        return self

    def _known_before(self) -> dict[tuple[str, int], float]:
        """The latest values that earlier attempts have logged, by name and step; asked for once."""
        if self._known is None:
            names = self.client.get_run(self.run_id).data.metrics
            found = [metric for name in names for metric in self.client.get_metric_history(self.run_id, name)]
            found.sort(key=lambda metric: metric.timestamp)
            self._known = {(metric.key, metric.step): metric.value for metric in found}
        return self._known


@contextmanager
def metric_log(run: Run) -> Iterator[MetricLog]:
    """Take figures for the MLflow run of the pipeline.

    Raises:
        AssayError: MLflow does not answer.
    """
    also = TOKEN_LOSS if run.recipe.heads == ["tokens"] else {}
    with mlflow_reachable(run.tracking_uri):
        log = MetricLog(connect(run.tracking_uri), run.mlflow_run, also)
        yield log
        log.flush()


@contextmanager
def nested_metric_log(run: Run, step: str, name: str, parameters: Mapping[str, Any]) -> Iterator[MetricLog]:
    """Take figures for an MLflow run nested below that of the pipeline; it ends as the block ends.

    Args:
        run: the pipeline's run.
        step: name of the step's folder: done again, it finds its nested run again.
        name: shown by MLflow.
        parameters: what sets this training apart from others.

    Raises:
        AssayError: MLflow does not answer.
    """
    with mlflow_reachable(run.tracking_uri):
        client = connect(run.tracking_uri)
        run_id = _nested_run(client, run, step, name)
    ours = run.model_copy(update={"mlflow_run": run_id})
    with Tracking(run.tracking_uri, run_id).ended(), metric_log(ours) as log:
        client.log_batch(run_id, params=[parameter(key, value) for key, value in parameters.items()])
        yield log


def _nested_run(client: MlflowClient, run: Run, step: str, name: str) -> str:
    """The nested run of that step, a new one or the one of an earlier attempt."""
    experiment = client.get_run(run.mlflow_run).info.experiment_id
    ours = f"{equals(f'tags.`{MLFLOW_PARENT_RUN_ID}`', run.mlflow_run)} AND {equals(f'tags.`{STEP_TAG}`', step)}"
    found = client.search_runs([experiment], ours, max_results=1)
    if found:
        run_id = found[0].info.run_id
        client.update_run(run_id, status="RUNNING")
    else:
        tags = {MLFLOW_PARENT_RUN_ID: run.mlflow_run, STEP_TAG: step, RUN_TAG: run.key}
        run_id = client.create_run(experiment, tags=tags, run_name=name).info.run_id
    return str(run_id)
