"""Suspend the training flow for an approval, and resume it."""

import json
import logging
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import RunStatus
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed

from assay.flows.approval import decide_pending
from assay.flows.training import train
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult
from assay.runs.run_states import STATE, RunState
from tests.approvals import Deployed, World
from tests.flows.tiny import make_recipe


@pytest.mark.slow  # trains a network
@pytest.mark.usefixtures("prefect_server")
def test_train_resumes_after_its_approval(corpus: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.fixture
def world(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return World(store, tmp_path)


@pytest.mark.usefixtures("prefect_server")
def test_decide_pending_resumes_the_suspended_run(world: World) -> None:
    # Given a run of a deployment that waits for approval,
    @flow(name="toy", persist_result=False)
    def toy() -> PromotionResult:
        return world.go("second", key=str(waiting.id))

    waiting = Deployed(toy)
    assert waiting.start().name == "Suspended"
    # when the command decides,
    assert decide_pending("toy", world.store, None, True, "Ann", "").promoted
    recorded = world.verdict_of("2")
    # then the run is scheduled again, and ends; what made the model champion stays written on it.
    assert waiting.state().name == "Resuming"
    assert waiting.start().type == Completed().type
    assert world.serves() == "2"
    assert world.verdict_of("2") == recorded


def test_decide_pending_names_a_run_that_it_cannot_resume(world: World, caplog: pytest.LogCaptureFixture) -> None:
    # Given a version whose question is open, of a flow run on a Prefect server that the environment does not name,
    key = str(uuid4())
    world.go("second", key=key)
    # when the command decides,
    with temporary_settings({PREFECT_API_URL: None}), caplog.at_level(logging.WARNING, "assay"):
        result = decide_pending("toy", world.store, None, True, "Ann", "")
    # then the decision counts, and a warning says what is left to do.
    assert (result.promoted, world.serves()) == (True, "2")
    assert f"flow run {key} still waits; resume it in Prefect, or set PREFECT_API_URL" in caplog.text
