"""The progress of a long prediction: share, rows a second, time left."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class ProgressReporter(Protocol):
    """Is told how a prediction gets on."""

    def resume(self, rows: int) -> None:
        """So many rows were done before; they say nothing about the speed."""

    def advance(self, rows: int) -> None:
        """So many more rows are done."""


class NoProgress:
    """Nobody is told."""

    def resume(self, rows: int) -> None:
        """See `Watcher`."""

    def advance(self, rows: int) -> None:
        """See `Watcher`."""


class _Speed(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        """The speed of late, or over the whole when it is done."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "", style="progress.data.speed")


class RowsBar:
    """A bar that is told of rows."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def resume(self, rows: int) -> None:
        """Begin the bar, and with it the measuring of its speed, where an earlier run was broken off."""
        if rows:
            done = self._progress.tasks[self._task].completed
            self._progress.reset(self._task, completed=int(done) + rows)

    def advance(self, rows: int) -> None:
        """So many more rows are done."""
        self._progress.advance(self._task, rows)


@contextmanager
def rows_bar(name: str, total: int) -> Iterator[RowsBar]:
    """A bar on stderr, where it does not mix with results; it hides itself where stderr is no terminal."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield RowsBar(progress, progress.add_task(name, total=total))
