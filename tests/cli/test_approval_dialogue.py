"""Make approval decisions on the terminal, with a real registry."""

import io
import sys
from pathlib import Path

import pytest

from assay.cli.approval_dialogue import ask_on_terminal
from assay.flows.training import TrainingOutcome
from tests.approvals import World


@pytest.fixture
def world(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return World(store, tmp_path)


class Terminal(io.StringIO):
    """A terminal with typed input."""

    def isatty(self) -> bool:
        return True


def outcome(world: World, name: str) -> TrainingOutcome:
    """Return the outcome of a run on this machine."""
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
    ("typed", "promoted", "approval"),
    [
        ("y\nAnn\nfine\n", True, "approved by Ann: fine"),
        ("n\nBob\ntoo slow\n", False, "refused by Bob: too slow"),
    ],
)
def test_ask_on_terminal_applies_the_decision(
    world: World, monkeypatch: pytest.MonkeyPatch, typed: str, promoted: bool, approval: str
) -> None:
    ended = outcome(world, "second")
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stdout", Terminal())
    result = ask_on_terminal(ended, world.store)
    assert (result.promoted, result.pending) == (promoted, False)
    assert str(world.registry.version("2").approval) == approval
    assert world.serves() == ("2" if promoted else "1")


def test_ask_on_terminal_leaves_the_version_pending_when_aborted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = outcome(world, "second")
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert ask_on_terminal(ended, world.store).pending
    assert (world.registry.version("2").outcome, world.serves()) == ("pending", "1")


def test_ask_on_terminal_asks_nobody_without_a_terminal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = outcome(world, "second")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\nAnn\nfine\n"))
    assert ask_on_terminal(ended, world.store) == ended.promotion
