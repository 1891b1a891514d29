from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import Snapshot
from assay.registry.retention.protected import protected_snapshots
from assay.runs.run_states import STATE, RunState
from tests.registry.retention.test_garbage_collection import add_run

# More than MLflow gives on one page.
MODELS = 101


@pytest.fixture
def client(store: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


def known_run(client: MlflowClient, store: Path, key: str) -> str:
    """A run of the store that MLflow knows, too; gives its id there."""
    folder = add_run(store, key, 50)
    experiment = client.get_experiment_by_name("toy") or client.get_experiment(client.create_experiment("toy"))
    mlflow_run = str(client.create_run(experiment.experiment_id).info.run_id)
    state = RunState.model_validate_json((folder / STATE).read_bytes())
    (folder / STATE).write_text(state.model_copy(update={"mlflow_run": mlflow_run}).model_dump_json())
    return mlflow_run


def test_protected_snapshots_reads_every_page_of_models(client: MlflowClient, store: Path) -> None:
    mlflow_run = known_run(client, store, "first")
    known_run(client, store, "second")
    digest = Snapshot.load(store / "runs" / "first" / "extract-1").digest
    for number in range(MODELS):
        client.create_registered_model(f"model-{number:03}")
    client.create_model_version("model-100", "s", mlflow_run, tags={"assay.snapshot": digest})
    assert protected_snapshots(store) == {digest}


def test_protected_snapshots_includes_runs_of_another_mlflow(client: MlflowClient, store: Path) -> None:
    known_run(client, store, "first")
    elsewhere = add_run(store, "elsewhere", 50)
    assert protected_snapshots(store) == {Snapshot.load(elsewhere / "extract-1").digest}


def test_protected_snapshots_needs_an_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert protected_snapshots(tmp_path) == set()
    add_run(tmp_path, "first", 50)
    with pytest.raises(AssayError, match=r"name another store .* or set MLFLOW_TRACKING_URI"):
        protected_snapshots(tmp_path)
