"""The progress bar of a long prediction: share, rows a second, time left."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Speed(ProgressColumn):
    """Rows a second."""

    def render(self, task: Task) -> Text:
        """The speed of late, or over the whole when it is done."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "", style="progress.data.speed")


def rows_progress() -> Progress:
    """A bar on stderr, where it does not mix with results; it hides itself where stderr is no terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
