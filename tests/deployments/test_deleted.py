from pathlib import Path

import pytest
from mlflow import MlflowClient

from deployments.deleted import deleted_in_mlflow
from deployments.doctor import examine
from tasks.session import STATE, open_run, read_state
from tests.snapshots import make_run


@pytest.fixture
def client(store: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


def test_deleted_in_mlflow_names_experiments_and_open_runs(store: Path, client: MlflowClient) -> None:
    # given a run that is open, and one that is closed, both deleted in MLflow
    recipe = make_run(store).recipe
    assert list(deleted_in_mlflow(store)) == []
    for key in ("open", "closed"):
        with open_run(recipe, store, key=key, keep_open=key == "open") as run:
            pass
        client.delete_run(run.mlflow_run)
    # then the open one is told of: it goes on
    [(goes_on, line)] = deleted_in_mlflow(store)
    assert goes_on
    assert "open run open is deleted" in line
    assert f"mlflow runs restore --run-id {read_state(store / 'runs' / 'open').mlflow_run}" in line
    # and a deleted experiment stops the next run, with the ways out
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    [(goes_on, line)] = deleted_in_mlflow(store)
    assert not goes_on
    assert "experiment 'tiny' is deleted; restore it" in line
    assert "\n" not in line
    shown = [finding for finding in examine(store) if finding.what == "deleted in MLflow"]
    assert [(finding.ok, finding.details) for finding in shown] == [(False, line)]


def test_deleted_in_mlflow_passes_over_what_does_not_answer(store: Path, client: MlflowClient) -> None:
    with open_run(make_run(store).recipe, store) as run:
        pass
    client.delete_experiment(client.get_run(run.mlflow_run).info.experiment_id)
    file = run.folder / STATE
    file.write_text(file.read_text().replace('"mlflow.db"', '"sqlite:////nowhere/mlflow.db"'))
    assert len(list(deleted_in_mlflow(store))) == 1
    (store / "mlflow.db").write_bytes(b"no database")
    assert list(deleted_in_mlflow(store)) == []
