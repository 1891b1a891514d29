"""Fit the calibration of a model on validation rows, from its uncalibrated predictions."""

from collections.abc import Sequence

import numpy as np

from assay.evaluation.label_decisions import fit_label_calibration
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.platt_scaling import LEAST_ROWS, remaining_doubt, slope_and_offset
from assay.evaluation.statistics import Bools, Floats, Ints
from assay.serving.calibration import Calibration

LOG_TEMPERATURES = (np.log(0.1), np.log(20))


def fit_calibration(
    rows: Sequence[LabelledPrediction], labels: Sequence[str], row_labels: Sequence[str] = ()
) -> Calibration:
    """Fit temperature, entity confidence and row labels; what has too few rows stays uncalibrated.

    Args:
        rows: uncalibrated predictions on validation rows.
        labels: classes of the model, in the order of the probabilities.
        row_labels: labels of the labels head, in the order of its probabilities.
    """
    number_of = {label: number for number, label in enumerate(labels)}
    classified = [row for row in rows if row.gold in number_of]
    fields: dict[str, float] = {}
    if len(classified) >= LEAST_ROWS and len(labels) > 1:
        probabilities = np.array([row.probabilities for row in classified])
        gold = np.array([number_of[str(row.gold)] for row in classified])
        doubt = remaining_doubt(len(classified))
        fields |= {"temperature": _temperature(probabilities, gold, doubt), "doubt": doubt}
    scores, right = entity_outcomes_of(rows)
    if len(scores) >= LEAST_ROWS:
        slope, offset = slope_and_offset(scores, right)
        if slope > 0:  # otherwise the scores say nothing about what is right
            fields |= {"entity_slope": slope, "entity_offset": offset, "entity_doubt": remaining_doubt(len(scores))}
    return Calibration(**fields, labels=fit_label_calibration(rows, row_labels))


def entity_outcomes_of(rows: Sequence[LabelledPrediction]) -> tuple[Floats, Bools]:
    """Return the confidence of each predicted entity, and whether its span and type are right."""
    scores, right = [], []
    for row in rows:
        if row.gold_entities is not None:
            gold = {(entity.start, entity.end, entity.label) for entity in row.gold_entities}
            scores += [entity.score for entity in row.predicted_entities]
            right += [(entity.start, entity.end, entity.label) in gold for entity in row.predicted_entities]
    return np.array(scores, dtype=np.float64), np.array(right, dtype=np.bool_)


def _temperature(probabilities: Floats, gold: Ints, doubt: float) -> float:
    """Return the temperature with the smallest negative log-likelihood.

    The loss is that of scikit-learn's `CalibratedClassifierCV(method="temperature")`, which takes no predictions that
    another model has made.
    """
    from scipy.optimize import minimize_scalar  # scipy.optimize takes long to import

    rows = np.arange(len(gold))

    def loss(log_temperature: float) -> float:
        calibrated = Calibration(temperature=np.exp(log_temperature), doubt=doubt).probabilities(probabilities)
        return float(-np.log(calibrated[rows, gold]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))
