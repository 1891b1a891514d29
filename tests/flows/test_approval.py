"""The training flow, suspended for a person and gone on with."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import RunStatus

from assay.flows.training import train
from assay.registry.model_registry import ModelRegistry
from assay.runs.run_states import STATE, RunState
from tests.approvals import Deployed
from tests.flows.tiny import make_recipe


@pytest.mark.slow  # trains a network
@pytest.mark.usefixtures("prefect_server")
def test_a_suspended_training_goes_on_where_it_was(corpus: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a recipe that wants approval, run by a deployment,
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    gate = {"approval": "required"}
    recipe = make_recipe(corpus, gate=gate, training={"epochs": 6})
    waiting = Deployed(train, recipe=recipe, store=store)
    assert waiting.start().name == "Suspended"
    # then the run is open and free, MLflow shows that it goes on later, and nothing serves yet.
    folder = store / "runs" / str(waiting.id)
    state = RunState.model_validate_json((folder / STATE).read_bytes())
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    assert state.state == "open"
    assert client.get_run(state.mlflow_run).info.status == RunStatus.to_string(RunStatus.SCHEDULED)
    registry = ModelRegistry("tiny", f"sqlite:///{store}/mlflow.db", store)
    assert registry.champion() is None
    assert [version.number for version in registry.pending()] == ["1"]
    begun = {path: json.loads(path.read_text())["began"] for path in folder.glob("*/step.json")}
    # When a person approves,
    assert waiting.resume(approve=True, approver="Ann").name == "Completed"
    # then no step was done again, and the card of the champion is there.
    assert {path: json.loads(path.read_text())["began"] for path in folder.glob("*/step.json")} == begun
    champion = registry.champion()
    assert champion is not None
    assert str(champion.approval) == "approved by Ann"
    assert list(folder.glob("cards/*/card.html"))
    assert client.get_run(state.mlflow_run).info.status == RunStatus.to_string(RunStatus.FINISHED)
