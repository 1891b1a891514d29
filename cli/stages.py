"""What a command is doing at the moment, in one line that a terminal shows until the next stage."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status


class Stages:
    """The current stage on stderr; nothing where stderr is not a terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status: Status | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self("")

    def __call__(self, stage: str) -> None:
        """Show a stage instead of the one before; an empty one leaves the line to a progress bar."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if stage and self._console.is_terminal:
            self._status = self._console.status(stage)
            self._status.start()
