"""The story of a run on stderr: a line per step with its time and result, live on a terminal, plain elsewhere.

The live line is one line high, so that a signal that stops the command can clear it (`assay.cli.stopping`).
"""

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from assay.flows.logs import hide_library_logs, join_prefect_logs
from assay.runs.step_progress import LOG_S, StepProgress, displayed_by

NAME_WIDTH = 9
REFRESHES_PER_S = 4


@contextmanager
def steps_shown(*, verbose: bool = False, quiet: bool = False) -> Iterator["Story"]:
    """Show the steps of the block as lines on stderr. Enter it before anything imports Prefect or MLflow.

    Args:
        verbose: also show the log of Prefect, MLflow and this package.
        quiet: show warnings only.
    """
    join_prefect_logs()
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    if verbose:
        story = Story(console, live=False)
        with displayed_by(story):
            yield story
        return
    hide_library_logs()
    story = QuietStory(console, live=False) if quiet else Story(console, live=console.is_terminal)
    handler, logger = _WarningLines(story), logging.getLogger("assay")
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings(), displayed_by(story):
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            yield story
    finally:
        logger.removeHandler(handler)


class Story:
    """A display with a line per step.

    Args:
        console: console on stderr.
        live: whether to show the current step in a line that changes.
    """

    def __init__(self, console: Console, *, live: bool) -> None:
        self._console = console
        self._shows_live = live
        self._steps: list[StepProgress] = []
        self._live: Live | None = None
        self._due = 0.0

    def head(self, text: str) -> None:
        """Print the first line: what is run."""
        self.line("recipe", text)

    def begin(self, step: StepProgress) -> None:
        """Show the step as the current one."""
        self._steps.append(step)
        self._due = time.monotonic() + LOG_S
        self._refresh()

    def update(self, step: StepProgress) -> None:
        """Print a line from time to time where there is no live one."""
        if not self._shows_live and time.monotonic() >= self._due:
            self._due = time.monotonic() + LOG_S
            self.line(step.name, running(step))

    def end(self, step: StepProgress) -> None:
        """Print the line of the step, unless it was stopped."""
        self._steps.remove(step)
        self._refresh()
        if step.state != "stopped":
            self.line(step.name, *ended(step))

    def note(self, line: str) -> None:
        """Print a line between the steps."""
        self.line("", line)

    def line(self, name: str, text: str, time_text: str = "") -> None:
        """Print a name, a text and a time; on a terminal, long texts wrap at words, behind the name."""
        if not self._console.is_terminal:
            plain = "  ".join(filter(None, [f"{name:{NAME_WIDTH}}", text, time_text]))
            self._console.print(plain.rstrip(), soft_wrap=True)
            return
        grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False, expand=True)
        grid.add_column(width=NAME_WIDTH)
        grid.add_column(ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        style = "yellow" if name == "warning" else "bold"
        grid.add_row(Text(name, style=style), Text(text), Text(time_text, style="dim"))
        self._console.print(grid)

    def __rich__(self) -> Text:
        """Return the line of the current step, for the thread that refreshes it."""
        if not self._steps:
            return Text()
        step = self._steps[-1]
        text = Text(f"{step.name:{NAME_WIDTH}}  ", style="bold", no_wrap=True, overflow="ellipsis")
        return text.append(running(step), style="not bold")

    def _refresh(self) -> None:
        """Start the live line with the first step, and remove it with the last one."""
        if not self._shows_live:
            return
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._steps:
            self._live = Live(
                self, console=self._console, refresh_per_second=REFRESHES_PER_S, transient=True, redirect_stdout=False
            )
            self._live.start()


class QuietStory(Story):
    """A display of warnings only."""

    def head(self, text: str) -> None:
        """Show nothing."""

    def begin(self, step: StepProgress) -> None:
        """Show nothing."""

    def update(self, step: StepProgress) -> None:
        """Show nothing."""

    def end(self, step: StepProgress) -> None:
        """Show nothing."""

    def note(self, line: str) -> None:
        """Show nothing."""


class _WarningLines(logging.Handler):
    """A handler that prints the warnings and errors of this package as lines of the story."""

    def __init__(self, story: Story) -> None:
        super().__init__(logging.WARNING)
        self._story = story

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        self._story.line("warning", record.getMessage())


def running(step: StepProgress) -> str:
    """Return what a step is doing, its share, and the time it has taken or still needs."""
    share = "" if step.share is None else f"{step.share:.0%}".replace("%", " %")
    left = step.seconds_left
    times = clock(step.elapsed) if left is None else f"{clock(left)} left"
    return "  ".join(filter(None, [step.details, share, times]))


def ended(step: StepProgress) -> tuple[str, str]:
    """Return the result of a step and its time."""
    if step.state == "failed":
        return "failed", clock(step.seconds)
    return step.result or "done", "reused" if step.reused else clock(step.seconds)


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
