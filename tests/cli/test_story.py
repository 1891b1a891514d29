"""Lines about steps, on a terminal of 80 columns and in a log."""

import io
import logging

import pytest
from rich.console import Console

from assay.cli.story import Story, clock, ended, running, steps_shown
from assay.runs.step_progress import StepProgress, note, step_progress


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None, highlight=False)


def output(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


def test_story_prints_plain_lines_without_a_terminal() -> None:
    plain = console(terminal=False)
    story = Story(plain, live=False)
    step = StepProgress("extract", result="12,345 rows", state="done", seconds=72, reused=True)
    story.begin(step)
    story.end(step)
    story.line("promote", "refused " * 20)
    assert output(plain) == "extract    12,345 rows  reused\npromote    " + ("refused " * 20).rstrip() + "\n"


def test_story_wraps_at_words_on_a_terminal() -> None:
    screen = console(terminal=True)
    Story(screen, live=False).line("promote", "champion instead of version 1, " * 4, "1:02")
    first, second, *_ = output(screen).splitlines()
    assert first.startswith("promote    champion instead")
    assert first.endswith("1:02")
    assert second.startswith("           ")
    assert all(len(line) <= 80 for line in output(screen).splitlines())


def test_story_removes_its_live_line() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    story = Story(screen, live=True)
    outer, inner = StepProgress("find"), StepProgress("extract", result="4 rows", state="stopped")
    story.begin(outer)
    story.begin(inner)
    story.end(inner)  # stopped: no line
    outer.state, outer.seconds = "done", 1.0
    story.end(outer)
    assert story.__rich__().plain == ""
    assert "4 rows" not in output(screen)
    assert "done" in output(screen)


def test_running_shows_share_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    step = StepProgress("train", share=0.61, details="epoch 2/3  loss 0.41")
    monkeypatch.setattr(StepProgress, "seconds_left", 72.0)
    assert running(step) == "epoch 2/3  loss 0.41  61 %  1:12 left"


def test_ended_names_a_failure() -> None:
    assert ended(StepProgress("train", state="failed", seconds=61)) == ("failed", "1:01")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (72, "1:12"), (3725, "1:02:05")])
def test_clock_shows_hours_where_there_are_any(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(("quiet", "lines"), [(False, 4), (True, 1)])
def test_told_shows_own_warnings_and_no_library(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, quiet: bool, lines: int
) -> None:
    for variable in ("PREFECT_LOGGING_EXTRA_LOGGERS", "MLFLOW_LOGGING_LEVEL", "DO_NOT_TRACK"):
        monkeypatch.setenv(variable, "")  # restored after the test
    for name in ("assay", "prefect", "prefect.task_runs"):  # Prefect's own handlers, from earlier tests of the process
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
        monkeypatch.setattr(logging.getLogger(name), "propagate", False)
    monkeypatch.setattr(logging.getLogger("assay.tasks.split"), "disabled", False)
    with steps_shown(quiet=quiet) as story, step_progress("split") as step:
        story.head("tiny: sentence from a file")
        logging.getLogger("assay.tasks.split").warning("split: few rows")
        logging.getLogger("prefect.task_runs").info("Finished in state Completed()")
        note("a note")
        step.conclude("4 train")
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == lines
    assert "warning    split: few rows" in shown
    assert not any("Finished" in line for line in shown)
