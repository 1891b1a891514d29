"""How far a long loop is: a progress bar on a terminal, now and then a log line elsewhere."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

logger = logging.getLogger(__name__)
ITEMS_A_LOG_LINE = 20_000
T = TypeVar("T")


def with_progress(
    items: Iterable[T], what: str, total: int | None = None, size: Callable[[T], int] = lambda item: 1
) -> Iterator[T]:
    """Hand the items on and show how many have passed; `size` says how many things are in one."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(what, total=total)
            for item in items:
                yield item
                progress.advance(task, size(item))
        return
    count = 0
    for item in items:
        before, count = count, count + size(item)
        if count // ITEMS_A_LOG_LINE > before // ITEMS_A_LOG_LINE:
            logger.info("%s: %d", what, count)
        yield item
