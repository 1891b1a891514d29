"""A random sample of a stream."""

from collections.abc import Iterable
from random import Random
from typing import TypeVar

Row = TypeVar("Row")


def draw(rows: Iterable[Row], most: int, seed: int) -> list[Row]:
    """At most so many rows, each as likely as any other, in their order; memory holds no more."""
    random, kept = Random(seed), list[tuple[int, Row]]()  # noqa: S311  # a sample, no secret
    for number, row in enumerate(rows):
        if len(kept) < most:
            kept.append((number, row))
        elif (place := random.randrange(number + 1)) < most:
            kept[place] = (number, row)
    return [row for _, row in sorted(kept, key=lambda one: one[0])]
