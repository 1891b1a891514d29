"""A few rows that stand for all."""

from collections.abc import Sequence

import numpy as np

from assay.corpus.example import Example


def evenly_spaced(examples: Sequence[Example], most: int) -> list[Example]:
    """Return at most so many rows from the first to the last at equal distances: a source may be ordered by class."""
    places = np.linspace(0, len(examples) - 1, min(most, len(examples))).astype(int)
    return [examples[place] for place in places]
