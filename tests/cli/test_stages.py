import io

import pytest
from rich.console import Console

from assay.cli import stages
from assay.cli.stages import Stages
from assay.runs.step_progress import current_step, step_progress


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(stages, "Console", lambda **_: Console(file=stream, force_terminal=terminal, width=80))
    with Stages(), step_progress("reading the source"):
        current_step().show("2,000 documents", 0.5)
    return stream.getvalue()


def test_stages_show_the_step_and_how_far_it_is_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "reading the source  2,000 documents  50%" in shown(monkeypatch, terminal=True)


def test_stages_print_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, terminal=False) == ""
