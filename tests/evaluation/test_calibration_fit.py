from dataclasses import replace

import numpy as np
import pytest

from assay.corpus.entity import Entity
from assay.evaluation.calibration_fit import fit_calibration
from assay.evaluation.platt_scaling import LEAST_ROWS
from assay.serving.calibration import Calibration
from tests.evaluation.predicted import LABELS, predictions


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_calibration_fit_finds_how_much_too_confident_a_model_is(sharpness: float) -> None:
    fitted = fit_calibration(predictions(4000, sharpness=sharpness), LABELS)
    assert fitted.temperature == pytest.approx(sharpness, rel=0.1)
    assert fitted.entity_slope == pytest.approx(1 / sharpness, rel=0.1)
    assert fitted.entity_offset == pytest.approx(0, abs=0.15)


def test_calibration_fit_leaves_few_rows_and_models_without_a_head_alone() -> None:
    assert fit_calibration(predictions(LEAST_ROWS - 1, sharpness=3), LABELS) == Calibration()
    assert fit_calibration([], LABELS) == Calibration()
    no_class = [replace(row, gold=None, predicted=None, probabilities=()) for row in predictions(200, sharpness=3)]
    fitted = fit_calibration(no_class, [])
    assert fitted.temperature == 1
    assert fitted.entity_slope < 1


def test_calibration_fit_does_not_make_a_model_certain_that_is_right_on_all_rows() -> None:
    rows = [replace(row, gold=row.predicted) for row in predictions(100)]
    rows = [replace(row, gold_entities=(Entity(0, 4, "ORG"),)) for row in rows]
    fitted = fit_calibration(rows, LABELS)
    assert 0.95 < fitted.probabilities(np.array([[0.8, 0.1, 0.1]])).max() < 0.995
    assert fitted.entity_confidence(np.array([1.0]))[0] < 0.996


def test_calibration_fit_ignores_labels_that_the_model_does_not_know() -> None:
    rows = predictions(1000, sharpness=2)
    other = [replace(row, gold="unseen") for row in predictions(100)]
    assert fit_calibration([*rows, *other], LABELS).temperature == fit_calibration(rows, LABELS).temperature


def test_calibration_fit_keeps_scores_that_say_the_opposite() -> None:
    rows = [
        replace(row, gold_entities=() if row.predicted_entities[0].score > 0.5 else row.gold_entities)
        for row in predictions(500)
    ]
    assert fit_calibration(rows, LABELS).entity_slope == 1
