"""What is compared of a window: one value, or the names, of every row that has them."""

from collections.abc import Iterable, Sequence, Set

import numpy as np

from assay.evaluation.drift.vocabulary import unknown_share
from assay.evaluation.drift.window_statistics import WindowStatistics
from assay.evaluation.statistics import Floats

Names = Sequence[Sequence[str]]


def lengths(observed: WindowStatistics) -> Floats:
    """Characters of each text."""
    return _array(one.characters for one in observed.answers)


def unknown(observed: WindowStatistics, vocabulary: Set[str]) -> Floats:
    """The share of each text's words that the vocabulary does not hold; none where texts were not kept."""
    return _array(unknown_share(text, vocabulary) for text in observed.texts or ())


def classes(observed: WindowStatistics) -> Names:
    """The class of each row that got one."""
    return [[one.predicted] for one in observed.answers if one.predicted is not None]


def certainty(observed: WindowStatistics) -> Floats:
    """The probability of that class."""
    return _array(max(one.probabilities) for one in observed.answers if one.probabilities)


def types(observed: WindowStatistics) -> Names:
    """The types of the entities of each row that holds some."""
    return [[entity.label for entity in one.predicted_entities] for one in observed.answers if one.predicted_entities]


def entity_counts(observed: WindowStatistics) -> Floats:
    """How many entities each row holds."""
    return _array(len(one.predicted_entities) for one in observed.answers)


def entity_scores(observed: WindowStatistics) -> Floats:
    """The mean score of the entities of each row that holds some."""
    found = [one.predicted_entities for one in observed.answers if one.predicted_entities]
    return _array(float(np.mean([entity.score for entity in row])) for row in found)


def _array(values: Iterable[float]) -> Floats:
    return np.array(list(values), dtype=np.float64)
