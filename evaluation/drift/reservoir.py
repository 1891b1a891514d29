"""Reservoir sampling of a stream."""

from collections.abc import Iterable
from random import Random
from typing import TypeVar

Row = TypeVar("Row")


def reservoir_sample(rows: Iterable[Row], most: int, seed: int) -> list[Row]:
    """Draw at most `most` rows with equal probability, in their order; memory holds the sample only."""
    random, sample = Random(seed), list[tuple[int, Row]]()  # noqa: S311  # a sample, no secret
    for number, row in enumerate(rows):
        if len(sample) < most:
            sample.append((number, row))
        elif (position := random.randrange(number + 1)) < most:
            sample[position] = (number, row)
    return [row for _, row in sorted(sample, key=lambda numbered: numbered[0])]
