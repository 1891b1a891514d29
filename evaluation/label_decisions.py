"""Probabilities and thresholds of a labels head, fitted on validation rows.

Each label has a threshold and a correction of its own, which fit its few rows better than any others. A decision on the
same rows would promise more than it keeps: learn-then-test, which chooses its threshold, needs an order of predictions
that does not depend on what is right (Angelopoulos et al. 2021, "Learn then test", section 2), and MAPIE wants rows for
it that fitted nothing else. Rows with rare labels are too few to set some aside, so the decision is made on predictions
that are made without the rows of their own fold, as in cross-fitting (Chernozhukov et al. 2018).
"""

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
# With fewer, the rows of the other folds would fit clearly worse than all rows do.
FOLDS = 10
_UNCORRECTED = (1.0, 0.0)


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
    return _fit(probabilities, gold, _frequent(gold), remaining_doubt(len(labelled)))


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


def out_of_fold(rows: Sequence[LabelledPrediction], names: Sequence[str]) -> list[LabelledPrediction]:
    """Return the predictions of a labels head as they are for rows that fitted neither calibration nor thresholds.

    Clusters stay together. Rows without labels of the head are left out.

    Args:
        rows: uncalibrated predictions on validation rows.
        names: labels of the labels head, in the order of its probabilities.
    """
    from sklearn.model_selection import GroupKFold  # takes a second to import

    labelled = rows_of(rows, "labels")
    clusters = [row.own_cluster for row in labelled]
    probabilities, gold = label_table(labelled, names)
    enough = len(labelled) >= LEAST_ROWS
    corrected, doubt = _frequent(gold) & enough, remaining_doubt(len(labelled)) if enough else 0.0
    folds, predicted = min(FOLDS, len(set(clusters))), list[LabelledPrediction]()
    for fitting, held in GroupKFold(folds).split(probabilities, groups=clusters) if folds > 1 else ():
        calibration = _fit(probabilities[fitting], gold[fitting], corrected, doubt)
        thresholds = choose_thresholds(calibration.probabilities(probabilities[fitting]), gold[fitting])
        values = calibration.probabilities(probabilities[held]).tolist()
        members = [labelled[number] for number in held]
        calibrated = [replace(row, label_probabilities=tuple(one)) for row, one in zip(members, values, strict=True)]
        predicted += with_labels(calibrated, names, thresholds)
    return predicted


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


def _frequent(gold: Bools) -> Bools:
    """Return which labels have enough rows with and without them."""
    frequent: Bools = np.minimum(gold.sum(axis=0), (~gold).sum(axis=0)) >= LEAST_OF_LABEL
    return frequent


def _fit(probabilities: Floats, gold: Bools, corrected: Bools, doubt: float) -> LabelCalibration:
    columns = zip(probabilities.T, gold.T, corrected, strict=True)
    lines = [_line(values, right) if frequent else _UNCORRECTED for values, right, frequent in columns]
    return LabelCalibration(slopes=[slope for slope, _ in lines], offsets=[offset for _, offset in lines], doubt=doubt)


def _line(probabilities: Floats, gold: Bools) -> tuple[float, float]:
    slope, offset = slope_and_offset(probabilities, gold)
    return (slope, offset) if slope > 0 else _UNCORRECTED  # otherwise the probabilities say nothing about the label
