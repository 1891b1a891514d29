import numpy as np
import pytest

from assay.evaluation.confident_predictions import largest_coverage, precision_at_coverage
from assay.evaluation.scored_predictions import ScoredPredictions


def scored(confidence: list[float], right: list[int]) -> ScoredPredictions:
    return ScoredPredictions([""] * len(right), np.array(confidence), np.array(right, dtype=np.bool_), None)


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
