"""Progress of a long loop: a progress bar on a terminal, a log line from time to time elsewhere."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

logger = logging.getLogger(__name__)
ITEMS_PER_LOG_LINE = 20_000
T = TypeVar("T")


def with_progress(
    items: Iterable[T], what: str, total: int | None = None, size: Callable[[T], int] = lambda item: 1
) -> Iterator[T]:
    """Yield the items and show how many have passed.

    Args:
        items: what to iterate over.
        what: description, shown before the count.
        total: final count, if it is known.
        size: count that one item stands for.
    """
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
        previous, count = count, count + size(item)
        if count // ITEMS_PER_LOG_LINE > previous // ITEMS_PER_LOG_LINE:
            logger.info("%s: %d", what, count)
        yield item
