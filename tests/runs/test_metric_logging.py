from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.runs.metric_logging import MetricLog


@pytest.fixture
def client(store: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


def test_metric_log_sends_repeated_steps_once(client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    losses = [1 / (step + 3) for step in range(10)]
    # given a training that was killed after its seventh step, with its last checkpoint at the fourth
    killed = MetricLog(client, run_id, {"train.loss": "ner.losses"})
    for step in range(7):
        killed.add({"train.loss": losses[step]}, step)
    killed.flush()
    # when another process resumes it
    resumed = MetricLog(client, run_id, {"train.loss": "ner.losses"})
    for step in range(4, 10):
        resumed.add({"train.loss": losses[step]}, step)
    resumed.flush()
    # then each step stands there once
    for name in ("train.loss", "ner.losses"):
        history = client.get_metric_history(run_id, name)
        assert [(metric.step, metric.value) for metric in history] == list(enumerate(losses))


def test_metric_log_sends_changed_metrics_of_a_repeated_step(client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    MetricLog(client, run_id).add({"validation.score": 0.5}, 4)
    MetricLog(client, run_id).add({"validation.score": 0.6}, 4)
    assert [metric.value for metric in client.get_metric_history(run_id, "validation.score")] == [0.5, 0.6]
    assert client.get_run(run_id).data.metrics["validation.score"] == 0.6
