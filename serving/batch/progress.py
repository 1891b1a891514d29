"""Progress of a long prediction: share of the rows, rows per second, time left."""

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
    """A receiver of the progress of a prediction."""

    def resume(self, rows: int) -> None:
        """Count the rows of an earlier run, which do not count towards the speed."""

    def advance(self, rows: int) -> None:
        """Count rows that are done."""


class NoProgress:
    """A receiver that shows nothing."""

    def resume(self, rows: int) -> None:
        """See `ProgressReporter`."""

    def advance(self, rows: int) -> None:
        """See `ProgressReporter`."""


class _Speed(ProgressColumn):
    """A column of rows per second."""

    def render(self, task: Task) -> Text:
        """Return the recent speed, or the mean speed of a finished task."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "", style="progress.data.speed")


class RowsBar:
    """A progress bar of rows."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def resume(self, rows: int) -> None:
        """Start the bar, and the measurement of its speed, after the rows of an earlier run."""
        if rows:
            completed = self._progress.tasks[self._task].completed
            self._progress.reset(self._task, completed=int(completed) + rows)

    def advance(self, rows: int) -> None:
        """Count rows that are done."""
        self._progress.advance(self._task, rows)


@contextmanager
def rows_bar(name: str, total: int) -> Iterator[RowsBar]:
    """Show a bar on stderr, apart from results on stdout. It is hidden if stderr is no terminal."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield RowsBar(progress, progress.add_task(name, total=total))
