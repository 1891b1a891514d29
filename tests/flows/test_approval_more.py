"""Answers on the terminal and by the command, to a real registry."""

import io
import sys
from pathlib import Path

import pytest
from prefect import flow
from prefect.states import Completed

from assay.flows.approval import ask_on_terminal, decide_pending
from assay.flows.training import TrainingOutcome
from assay.registry.promotion import PromotionResult
from tests.approvals import Deployed, World


@pytest.fixture
def world(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return World(store, tmp_path)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def outcome(world: World, name: str) -> TrainingOutcome:
    """How a run on this machine ends."""
    verdict = world.judge(name)
    return TrainingOutcome(
        run="k",
        mlflow_run=world.mlflow_run,
        tracking_uri=world.uri,
        verdict=verdict,
        promotion=world.end(world.run(), name, verdict),
        evaluation=Path("evaluation"),
        card=Path("card.html"),
    )


@pytest.mark.parametrize(
    ("typed", "promoted", "said"),
    [
        ("y\nAnn\nfine\n", True, "approved by Ann: fine"),
        ("n\nBob\ntoo slow\n", False, "refused by Bob: too slow"),
    ],
)
def test_a_terminal_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, typed: str, promoted: bool, said: str
) -> None:
    ended = outcome(world, "second")
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stdout", Terminal())
    answer = ask_on_terminal(ended, world.store)
    assert (answer.promoted, answer.pending) == (promoted, False)
    assert str(world.registry.version("2").approval) == said
    assert world.serves() == ("2" if promoted else "1")


def test_a_dialogue_that_is_broken_off_leaves_the_question_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = outcome(world, "second")
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert ask_on_terminal(ended, world.store).pending
    assert (world.registry.version("2").outcome, world.serves()) == ("pending", "1")


def test_without_a_terminal_nobody_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = outcome(world, "second")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\nAnn\nfine\n"))
    assert ask_on_terminal(ended, world.store) == ended.promotion


@pytest.mark.usefixtures("prefect_server")
def test_an_answer_by_the_command_lets_the_suspended_run_go_on(world: World) -> None:
    # Given a run of a deployment that waits,
    @flow(name="toy", persist_result=False)
    def toy() -> PromotionResult:
        return world.go("second", key=str(waiting.id))

    waiting = Deployed(toy)
    assert waiting.start().name == "Suspended"
    # when the answer comes by the command,
    assert decide_pending("toy", world.store, None, True, "Ann", "").promoted
    told = world.told_by("2")
    # then the run is scheduled again, and ends; what made the model champion stays written on it.
    assert waiting.state().name == "Resuming"
    assert waiting.start().type == Completed().type
    assert world.serves() == "2"
    assert world.told_by("2") == told
