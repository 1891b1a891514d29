"""Signals of a window: one value, or several names, per row that has them."""

from collections.abc import Iterable, Sequence, Set

import numpy as np

from assay.evaluation.drift.vocabulary import unknown_share
from assay.evaluation.drift.window_statistics import WindowStatistics
from assay.evaluation.statistics import Floats

Names = Sequence[Sequence[str]]
NO_LABEL = "(no label)"


def lengths(statistics: WindowStatistics) -> Floats:
    """Return the number of characters of each text."""
    return _array(row.characters for row in statistics.predictions)


def unknown(statistics: WindowStatistics, vocabulary: Set[str]) -> Floats:
    """Return the share of unknown words per text; empty if texts were not stored."""
    return _array(unknown_share(text, vocabulary) for text in statistics.texts or ())


def classes(statistics: WindowStatistics) -> Names:
    """Return the predicted class of each row that has one."""
    return [[row.predicted] for row in statistics.predictions if row.predicted is not None]


def confidences(statistics: WindowStatistics) -> Floats:
    """Return the probability of the predicted class of each row that has probabilities."""
    return _array(max(row.probabilities) for row in statistics.predictions if row.probabilities)


def labels(statistics: WindowStatistics) -> Names:
    """Return the predicted labels of each row that a labels head has read; a row without any has the name of none."""
    return [list(row.applied) or [NO_LABEL] for row in statistics.predictions if row.label_probabilities]


def label_counts(statistics: WindowStatistics) -> Floats:
    """Return the number of predicted labels of each row that a labels head has read."""
    return _array(len(row.applied) for row in statistics.predictions if row.label_probabilities)


def label_confidences(statistics: WindowStatistics) -> Floats:
    """Return how sure a labels head is of each row: the mean probability of what it predicts for each label."""
    return _array(
        float(np.mean([max(value, 1 - value) for value in row.label_probabilities]))
        for row in statistics.predictions
        if row.label_probabilities
    )


def types(statistics: WindowStatistics) -> Names:
    """Return the predicted entity types of each row with entities."""
    return [
        [entity.label for entity in row.predicted_entities] for row in statistics.predictions if row.predicted_entities
    ]


def entity_counts(statistics: WindowStatistics) -> Floats:
    """Return the number of predicted entities of each row."""
    return _array(len(row.predicted_entities) for row in statistics.predictions)


def entity_scores(statistics: WindowStatistics) -> Floats:
    """Return the mean score of the predicted entities of each row with entities."""
    predicted = [row.predicted_entities for row in statistics.predictions if row.predicted_entities]
    return _array(float(np.mean([entity.score for entity in entities])) for entities in predicted)


def abstained(statistics: WindowStatistics) -> Floats:
    """Return 1 for each row that the decision leaves to people, else 0."""
    return _array(row.abstained for row in statistics.predictions)


def class_gaps(statistics: WindowStatistics) -> Floats:
    """Return the confidence of each labelled row's class, minus 1 if it is right."""
    return _array(max(row.probabilities) - (row.gold == row.predicted) for row in statistics.predictions)


def label_gaps(statistics: WindowStatistics) -> Floats:
    """Return the mean confidence of each labelled row's predicted labels, minus the share of them that apply."""
    return _array(
        float(np.mean([one.score - (one.label in (row.gold_labels or ())) for one in row.predicted_labels]))
        for row in statistics.predictions
    )


def entity_gaps(statistics: WindowStatistics) -> Floats:
    """Return the mean confidence of each labelled row's predicted entities, minus the share of them that is right."""
    return _array(
        float(np.mean([entity.score for entity in row.predicted_entities]))
        - row.entity_counts[0] / len(row.predicted_entities)
        for row in statistics.predictions
    )


def _array(values: Iterable[float]) -> Floats:
    return np.array(list(values), dtype=np.float64)
