"""Progress from one process to another."""

import pytest

from assay.runs.step_progress import displayed_by, step_progress
from assay.tasks.training.progress_pipe import PipeDisplay, take_progress


def test_take_progress_reports_what_the_pipe_display_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    with displayed_by(PipeDisplay()), step_progress("train") as step:
        step.show("epoch 1/2  loss 0.41", 0.25)
        step.show("epoch 1/2  loss 0.40", 0.26)  # too soon after the first
    [line] = capsys.readouterr().out.splitlines()
    with step_progress("train") as received:
        assert take_progress(line)
    assert (received.details, received.share) == ("epoch 1/2  loss 0.41", 0.25)


def test_take_progress_leaves_other_lines() -> None:
    assert not take_progress("epoch 1: score 0.5")
