"""Probabilities and thresholds of a labels head, fitted on validation rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from assay.evaluation.labelled_predictions import LabelledPrediction, rows_of
from assay.evaluation.platt_scaling import LEAST_ROWS, remaining_doubt, slope_and_offset
from assay.evaluation.statistics import Bools, Floats
from assay.models.label_thresholds import choose_thresholds
from assay.serving.calibration import Calibration, LabelCalibration
from assay.serving.predictions import ScoredLabel

# With fewer rows that have a label, or that have it not, its probability stays as the model gives it.
LEAST_OF_LABEL = 5


def fit_label_calibration(rows: Sequence[LabelledPrediction], names: Sequence[str]) -> LabelCalibration | None:
    """Fit the correction of each label's probability; None without enough labelled rows.

    Args:
        rows: uncalibrated predictions on validation rows.
        names: labels of the labels head, in the order of its probabilities.
    """
    labelled = rows_of(rows, "labels")
    if not names or len(labelled) < LEAST_ROWS:
        return None
    probabilities, gold = label_table(labelled, names)
    lines = [_line(probabilities[:, number], gold[:, number]) for number in range(len(names))]
    return LabelCalibration(
        slopes=[slope for slope, _ in lines],
        offsets=[offset for _, offset in lines],
        doubt=remaining_doubt(len(labelled)),
    )


def fit_label_thresholds(
    rows: Sequence[LabelledPrediction], names: Sequence[str], calibration: Calibration
) -> list[float]:
    """Return the calibrated probability from which each label applies: that with the highest F1 on these rows.

    This is the one place where the thresholds of a bundle are decided. Without a labels head, there are none.

    Args:
        rows: uncalibrated predictions on validation rows.
        names: labels of the labels head, in the order of its probabilities.
        calibration: correction of the probabilities.
    """
    if not names:
        return []
    probabilities, gold = label_table(rows_of(rows, "labels"), names)
    return choose_thresholds(calibration.label_probabilities(probabilities), gold)


def with_labels(
    rows: Sequence[LabelledPrediction], names: Sequence[str], thresholds: Sequence[float]
) -> list[LabelledPrediction]:
    """Return calibrated predictions with the labels that apply from these thresholds."""

    def applied(row: LabelledPrediction) -> tuple[ScoredLabel, ...]:
        triples = zip(names, row.label_probabilities, thresholds, strict=True)
        return tuple(ScoredLabel(name, value) for name, value, threshold in triples if value >= threshold)

    return [replace(row, predicted_labels=applied(row)) for row in rows]


def label_table(rows: Sequence[LabelledPrediction], names: Sequence[str]) -> tuple[Floats, Bools]:
    """Return the probability of each label, and whether it applies, both rows x labels."""
    probabilities = np.array([row.label_probabilities for row in rows], dtype=np.float64).reshape(-1, len(names))
    gold = np.array([[name in (row.gold_labels or ()) for name in names] for row in rows], dtype=np.bool_)
    return probabilities, gold.reshape(-1, len(names))


def _line(probabilities: Floats, gold: Bools) -> tuple[float, float]:
    if min(gold.sum(), (~gold).sum()) < LEAST_OF_LABEL:
        return 1.0, 0.0
    slope, offset = slope_and_offset(probabilities, gold)
    return (slope, offset) if slope > 0 else (1.0, 0.0)  # otherwise the probabilities say nothing about the label
