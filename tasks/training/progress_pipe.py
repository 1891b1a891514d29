"""The progress of a training in another process: lines of its stdout, which the process that started it reads."""

import json
import sys
import time

from assay.runs.step_progress import StepProgress, current_step

PREFIX = "assay-progress: "
PIPE_S = 0.5


class PipeDisplay:
    """A display that writes the progress to stdout, at most twice a second."""

    def __init__(self) -> None:
        self._due = 0.0

    def begin(self, step: StepProgress) -> None:
        """Write nothing: the process that started this one has begun the step."""

    def update(self, step: StepProgress) -> None:
        """Write what the step is doing."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PIPE_S
            _write(PREFIX + json.dumps({"details": step.details, "share": step.share}))

    def end(self, step: StepProgress) -> None:
        """Write nothing: the process that started this one ends the step."""

    def note(self, line: str) -> None:
        """Write the line like any other output."""
        _write(line)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def take_progress(line: str) -> bool:
    """Report the progress in a line of another process as that of the current step; return whether it holds one."""
    if not line.startswith(PREFIX):
        return False
    current_step().show(**json.loads(line.removeprefix(PREFIX)))
    return True
