from dataclasses import replace

import numpy as np
import pytest

from assay.evaluation.calibration_fit import fit_calibration
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.reliability import reliability_of
from assay.serving.calibration import Calibration
from tests.evaluation.predicted import LABELS, predictions


def calibrated(rows: list[LabelledPrediction], calibration: Calibration) -> list[LabelledPrediction]:
    return [
        replace(
            row,
            probabilities=tuple(calibration.probabilities(np.array(row.probabilities)).tolist()),
            predicted_entities=tuple(
                replace(entity, score=float(calibration.entity_confidence(np.array(entity.score))))
                for entity in row.predicted_entities
            ),
        )
        for row in rows
    ]


def test_reliability_shows_both_heads_before_and_after_calibration() -> None:
    calibration = fit_calibration(predictions(2000, sharpness=3, seed=1), LABELS)
    rows = predictions(2000, sharpness=3, seed=2)
    heads = reliability_of(calibrated(rows, calibration), ["sentence", "tokens"], LABELS, calibration)
    plain = reliability_of(rows, ["sentence", "tokens"], LABELS, Calibration())
    for head, unchanged in zip(heads, plain, strict=True):
        assert head.uncalibrated.error.value == pytest.approx(unchanged.calibrated.error.value, abs=1e-6)
        assert head.uncalibrated.error.value > 0.1
        assert head.calibrated.error.value < 0.04
        assert head.calibrated.log_loss < head.uncalibrated.log_loss
    assert list(heads[0].by_class) == list(LABELS)
    assert list(heads[1].by_class) == ["ORG"]
    assert set(heads[1].metrics) == {
        "tokens.ece",
        "tokens.ece_uncalibrated",
        "tokens.log_loss",
        "tokens.log_loss_uncalibrated",
    }


def test_reliability_leaves_out_heads_with_too_few_predictions() -> None:
    assert reliability_of(predictions(19), ["sentence", "tokens"], LABELS, Calibration()) == []
    assert [head.head for head in reliability_of(predictions(20), ["tokens"], LABELS, Calibration())] == ["tokens"]


def test_reliability_counts_clusters_and_not_their_rows() -> None:
    single = reliability_of(predictions(600, seed=3), ["sentence"], LABELS, Calibration())[0].calibrated.error
    clustered = predictions(600, seed=3, rows_per_cluster=20)
    grouped = reliability_of(clustered, ["sentence"], LABELS, Calibration())[0].calibrated.error
    assert grouped.high - grouped.low > 1.5 * (single.high - single.low)
