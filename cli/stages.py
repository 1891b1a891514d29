"""What a command is doing at the moment, in one line that a terminal shows until the next stage."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from rich.console import Console

from assay.runs.step_progress import StepProgress, displayed_by


class Stages:
    """A display of the step in progress on stderr; nothing where stderr is not a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status = self._console.status("")
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(displayed_by(self))
        if self._console.is_terminal:
            self._open.enter_context(self._status)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def begin(self, step: StepProgress) -> None:
        """Show the name of a step."""
        self.update(step)

    def update(self, step: StepProgress) -> None:
        """Show how far a step is."""
        share = "" if step.share is None else f"{step.share:.0%}"
        self._status.update("  ".join(filter(None, (step.name, step.details, share))))

    def end(self, step: StepProgress) -> None:
        """Leave the line to the next step."""

    def note(self, line: str) -> None:
        """Leave out the line: the command prints a report."""
