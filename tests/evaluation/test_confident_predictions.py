from dataclasses import replace

import numpy as np
import pytest

from assay.corpus.entity import Entity
from assay.evaluation.confident_predictions import (
    ScoredPredictions,
    largest_coverage,
    precision_at_coverage,
    scored_predictions,
)
from assay.serving.engine import ScoredEntity
from tests.evaluation.predicted import predictions


def scored(confidence: list[float], right: list[int]) -> ScoredPredictions:
    return ScoredPredictions(
        np.array(confidence), np.array(right, dtype=np.bool_), [f"c{n}" for n in range(len(right))]
    )


def test_scored_predictions_take_the_probability_of_the_predicted_class() -> None:
    rows = predictions(50)
    found = scored_predictions([*rows, replace(rows[0], gold=None)], "sentence")
    assert len(found) == 50
    assert found.confidence.tolist() == [max(row.probabilities) for row in rows]
    assert found.right.tolist() == [row.predicted == row.gold for row in rows]


def test_scored_predictions_take_every_entity_with_the_cluster_of_its_row() -> None:
    two = (ScoredEntity(0, 4, "ORG", 0.9), ScoredEntity(5, 7, "ORG", 0.4))
    row = replace(predictions(1)[0], gold_entities=(Entity(0, 4, "ORG"),), predicted_entities=two, cluster="d")
    found = scored_predictions([row, replace(row, gold_entities=None)], "tokens")
    assert (found.confidence.tolist(), found.right.tolist(), list(found.clusters)) == (
        [0.9, 0.4],
        [True, False],
        ["d", "d"],
    )


def test_precision_at_coverage_counts_the_most_confident_predictions() -> None:
    found = scored([0.9, 0.5, 0.8, 0.6, 0.7], [1, 0, 1, 0, 1])
    measured = precision_at_coverage(found, 0.6)
    assert (measured.share.value, measured.share.cases, measured.confidence) == (1.0, 3, 0.7)
    assert precision_at_coverage(found, 0.61).share.value == 0.75
    assert precision_at_coverage(found, 1).share.value == 0.6
    assert precision_at_coverage(found, 0.01).share.cases == 1


def test_precision_at_coverage_counts_exactly_in_spite_of_rounding() -> None:
    found = scored(np.linspace(0.5, 0.9, 100).tolist(), [1] * 100)
    assert precision_at_coverage(found, 0.07).share.cases == 7


def test_precision_at_coverage_keeps_predictions_of_the_same_confidence_together() -> None:
    measured = precision_at_coverage(scored([0.9, 0.9, 0.9, 0.9, 0.2], [1, 0, 1, 0, 0]), 0.2)
    assert (measured.share.value, measured.share.cases) == (0.5, 4)


@pytest.mark.parametrize(("precision", "coverage"), [(1.0, 0.4), (0.75, 0.8), (0.5, 1.0)])
def test_largest_coverage_holds_the_precision(precision: float, coverage: float) -> None:
    found = scored([0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0])
    assert largest_coverage(found, precision) == coverage
    assert precision_at_coverage(found, coverage).share.value >= precision


def test_largest_coverage_is_none_for_equal_confidences_that_are_wrong() -> None:
    assert largest_coverage(scored([0.9, 0.9], [1, 0]), 0.9) == 0.0
