"""The progress of the steps of a run: what a step reports, and how it reaches a display.

A step is decorated with `reported` and says what it is doing by `current_step`. The command line installs a display for
the terminal (`displayed_by`). Anywhere else, such as on a Prefect worker, the progress becomes lines of the log.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# Between two lines about an unfinished step in a log.
LOG_S = 30.0

_logger = logging.getLogger(__name__)


class Display(Protocol):
    """Whatever shows the progress of steps."""

    def begin(self, step: "StepProgress") -> None:
        """Show that a step has begun."""

    def update(self, step: "StepProgress") -> None:
        """Show how far a step is; called often."""

    def end(self, step: "StepProgress") -> None:
        """Show that a step has ended."""

    def note(self, line: str) -> None:
        """Show a line between the steps."""


@dataclass
class StepProgress:
    """The progress of one step.

    Attributes:
        name: name of the step.
        share: completed share from 0 to 1; None if it is not known.
        details: what the step is doing, such as `epoch 2/3`.
        result: result in a few words, once there is one.
        reused: whether the result was made earlier.
        state: a stopped step was interrupted by the user or the system, or suspended.
        seconds: duration, once the step has ended.
    """

    name: str
    share: float | None = None
    details: str = ""
    result: str = ""
    reused: bool = False
    state: Literal["running", "done", "failed", "stopped"] = "running"
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)
    resumed_at: float | None = None  # share at the first update: a step may resume in the middle
    resumed: float = 0.0  # time of the first update

    def show(self, details: str | None = None, share: float | None = None) -> None:
        """Report what the step is doing, and its completed share."""
        self.details = self.details if details is None else details
        if share is not None and self.resumed_at is None:
            self.resumed_at, self.resumed = share, time.monotonic()
        self.share = share
        if self.name:
            _display.update(self)

    def conclude(self, result: str) -> None:
        """Report the result in a few words."""
        self.result = result

    @property
    def elapsed(self) -> float:
        """Return the seconds since the beginning, or the duration of an ended step."""
        return self.seconds or time.monotonic() - self.began

    @property
    def seconds_left(self) -> float | None:
        """Return an estimate of the remaining seconds; None if there is no basis for it yet."""
        if self.share is None or self.resumed_at is None or self.share <= self.resumed_at:
            return None
        pace = (time.monotonic() - self.resumed) / (self.share - self.resumed_at)
        return pace * (1 - self.share)


class LogDisplay:
    """A display of lines in the log of this package."""

    def __init__(self) -> None:
        self._due = 0.0

    def begin(self, step: StepProgress) -> None:
        """Wait with the first line about a step."""
        self._due = time.monotonic() + LOG_S

    def update(self, step: StepProgress) -> None:
        """Log a line from time to time."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + LOG_S
            share = "" if step.share is None else f" ({step.share:.0%})"
            _logger.info("%s: %s%s", step.name, step.details, share)

    def end(self, step: StepProgress) -> None:
        """Log the result; errors are logged where they are handled."""
        if step.state == "done":
            how = "reused" if step.reused else f"{step.seconds:.1f} s"
            _logger.info("%s: %s (%s)", step.name, step.result or "done", how)

    def note(self, line: str) -> None:
        """Log the line."""
        _logger.info("%s", line)


_display: Display = LogDisplay()
_current: ContextVar[StepProgress | None] = ContextVar("assay_step", default=None)


@contextmanager
def displayed_by(display: Display) -> Iterator[None]:
    """Show the progress of all steps of the block on a display."""
    global _display  # the terminal belongs to the process
    before, _display = _display, display
    try:
        yield
    finally:
        _display = before


@contextmanager
def step_progress(name: str) -> Iterator[StepProgress]:
    """Report a step: its beginning, and its end with the time it took."""
    step = StepProgress(name)
    token = _current.set(step)
    _display.begin(step)
    try:
        yield step
        step.state = "done"
    except Exception:
        step.state = "failed"
        raise
    except BaseException:
        step.state = "stopped"
        raise
    finally:
        _current.reset(token)
        step.seconds = time.monotonic() - step.began
        _display.end(step)


def reported(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Report each call of a function as a step."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with step_progress(name):
                return function(*args, **kwargs)

        return call

    return decorate


def current_step() -> StepProgress:
    """Return the step that the code runs in; outside of one, a step that nobody sees."""
    return _current.get() or StepProgress("")


def mark_reused(name: str) -> None:
    """Report that the result of a step was made earlier; a step within a step does not count."""
    step = current_step()
    step.reused = step.reused or step.name == name


def note(line: str) -> None:
    """Report a line between the steps."""
    _display.note(line)


def count(
    items: Iterable[T], unit: str, total: int | None = None, size: Callable[[T], int] = lambda _: 1
) -> Iterator[T]:
    """Yield the items, and report their number as the progress of the current step.

    Args:
        items: what to iterate over.
        unit: what is counted, in the plural.
        total: final count, if it is known.
        size: count that one item stands for.
    """
    step, number = current_step(), 0
    for item in items:
        yield item
        number += size(item)
        step.show(f"{number:,} {unit}", min(number / total, 1.0) if total else None)
