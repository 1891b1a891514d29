"""How far a long loop is: a progress bar on a terminal, now and then a log line elsewhere."""

import logging
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

logger = logging.getLogger(__name__)
ITEMS_A_LOG_LINE = 20_000
T = TypeVar("T")


def with_progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Hand the items on and show how many have passed."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            yield from progress.track(items, total=total, description=what)
        return
    for count, item in enumerate(items, start=1):
        if count % ITEMS_A_LOG_LINE == 0:
            logger.info("%s: %d", what, count)
        yield item
