"""What steps report, and what reaches a display."""

import logging
from dataclasses import replace

import pytest

from assay.runs.step_progress import (
    StepProgress,
    count,
    current_step,
    displayed_by,
    mark_reused,
    note,
    reported,
    step_progress,
)


class Recorder:
    """A display that remembers everything."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, StepProgress]] = []
        self.notes: list[str] = []

    def begin(self, step: StepProgress) -> None:
        self.seen.append(("begin", replace(step)))

    def update(self, step: StepProgress) -> None:
        self.seen.append(("update", replace(step)))

    def end(self, step: StepProgress) -> None:
        self.seen.append(("end", replace(step)))

    def note(self, line: str) -> None:
        self.notes.append(line)


def test_count_reports_number_and_share_of_the_items() -> None:
    display = Recorder()
    with displayed_by(display), step_progress("extract"):
        assert list(count(["ab", "cd"], "documents", total=4, size=len)) == ["ab", "cd"]
        note("half time")
    assert [(event, step.details, step.share) for event, step in display.seen] == [
        ("begin", "", None),
        ("update", "2 documents", 0.5),
        ("update", "4 documents", 1.0),
        ("end", "4 documents", 1.0),
    ]
    assert display.notes == ["half time"]


def test_reported_gives_each_call_a_step_with_its_result() -> None:
    @reported("split")
    def split(rows: int) -> int:
        """Split."""
        mark_reused("train")  # a step within the step does not count
        current_step().conclude(f"{rows} rows")
        return rows

    display = Recorder()
    with displayed_by(display):
        assert split(3) == 3
    ended = display.seen[-1][1]
    assert (ended.name, ended.result, ended.reused, ended.state) == ("split", "3 rows", False, "done")
    assert split.__doc__ == "Split."


@pytest.mark.parametrize(("error", "state"), [(ValueError, "failed"), (KeyboardInterrupt, "stopped")])
def test_step_progress_tells_an_error_from_an_interruption(error: type[BaseException], state: str) -> None:
    display = Recorder()
    with displayed_by(display), pytest.raises(error), step_progress("train"):
        raise error
    assert display.seen[-1][1].state == state


def test_mark_reused_marks_the_step_of_that_name() -> None:
    with step_progress("train") as step:
        mark_reused("train")
    assert step.reused


def test_current_step_outside_of_a_step_shows_nothing() -> None:
    display = Recorder()
    with displayed_by(display):
        current_step().show("anything", 0.5)
    assert display.seen == []


def test_seconds_left_starts_at_the_share_of_a_resumed_step(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0, 20.0])
    step = StepProgress("train", began=0.0)
    monkeypatch.setattr("assay.runs.step_progress.time.monotonic", lambda: next(now))
    step.resumed_at, step.resumed, step.share = 0.5, 0.0, 0.75
    assert step.seconds_left == 0.0  # no time has passed
    assert step.seconds_left == pytest.approx(10.0)  # a quarter took ten seconds


def test_log_display_logs_the_result_of_a_step(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "assay.runs.step_progress")
    with step_progress("extract") as step:
        step.conclude("400 rows")
        step.reused = True
    assert caplog.messages == ["extract: 400 rows (reused)"]
