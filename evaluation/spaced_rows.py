"""Evenly spaced samples of rows."""

from collections.abc import Sequence

import numpy as np

from assay.corpus.example import Example


def evenly_spaced(examples: Sequence[Example], most: int) -> list[Example]:
    """Return at most `most` rows at equal distances, the first and the last included.

    A source may be ordered by class, so that its first rows would not be representative.
    """
    positions = np.linspace(0, len(examples) - 1, min(most, len(examples))).astype(int)
    return [examples[position] for position in positions]
