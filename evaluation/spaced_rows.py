"""Evenly spaced samples of rows."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def evenly_spaced(examples: Sequence[T], most: int) -> list[T]:
    """Return at most `most` rows at equal distances, the first and the last included.

    A source may be ordered by class, so that its first rows would not be representative.
    """
    positions = np.linspace(0, len(examples) - 1, min(most, len(examples))).astype(int)
    return [examples[position] for position in positions]
