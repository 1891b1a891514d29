"""Fit the calibration of a model on validation rows, from its uncalibrated predictions."""

from collections.abc import Sequence

import numpy as np

from assay.evaluation.label_decisions import fit_label_calibration
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.platt_scaling import LEAST_ROWS, remaining_doubt, slope_and_offset
from assay.evaluation.scored_predictions import scored_predictions
from assay.evaluation.statistics import Floats, Ints
from assay.serving.calibration import Calibration

LOG_TEMPERATURES = (np.log(0.1), np.log(20))
# In nats per row; less comes from rounding.
LEAST_GAIN = 1e-9


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
    entities = scored_predictions(rows, "tokens")
    if len(entities) >= LEAST_ROWS:
        slope, offset = slope_and_offset(entities.confidence, entities.right)
        if slope > 0:  # otherwise the scores say nothing about what is right
            fields |= {"entity_slope": slope, "entity_offset": offset, "entity_doubt": remaining_doubt(len(entities))}
    return Calibration(**fields, labels=fit_label_calibration(rows, row_labels))


def _temperature(probabilities: Floats, gold: Ints, doubt: float) -> float:
    """Return the temperature with the smallest negative log-likelihood; 1 where the rows do not prefer any other.

    No temperature changes probabilities of 0 and 1, or of one size: rows that have these alone say nothing about the
    probabilities of other rows.

    The loss is that of scikit-learn's `CalibratedClassifierCV(method="temperature")`, which takes no predictions that
    another model has made.
    """
    from scipy.optimize import minimize_scalar  # scipy.optimize takes long to import

    rows = np.arange(len(gold))

    def loss(log_temperature: float) -> float:
        calibrated = Calibration(temperature=np.exp(log_temperature), doubt=doubt).probabilities(probabilities)
        return float(-np.log(calibrated[rows, gold]).mean())

    best = minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded")
    return float(np.exp(best.x)) if best.fun < loss(0.0) - LEAST_GAIN else 1.0
