"""Fit the calibration of a model on validation rows, from its uncalibrated predictions."""

from collections.abc import Sequence

import numpy as np

from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.statistics import Bools, Floats, Ints
from assay.serving.calibration import Calibration, log_odds

# With fewer rows or entities a fit says more about them than about the model.
LEAST_ROWS = 50
LOG_TEMPERATURES = (np.log(0.1), np.log(20))


def fit_calibration(rows: Sequence[LabelledPrediction], labels: Sequence[str]) -> Calibration:
    """Fit temperature and entity confidence; what has too few rows stays uncalibrated.

    Args:
        rows: uncalibrated predictions on validation rows.
        labels: classes of the model, in the order of the probabilities.
    """
    number_of = {label: number for number, label in enumerate(labels)}
    classified = [row for row in rows if row.gold in number_of]
    fields: dict[str, float] = {}
    if len(classified) >= LEAST_ROWS and len(labels) > 1:
        probabilities = np.array([row.probabilities for row in classified])
        gold = np.array([number_of[str(row.gold)] for row in classified])
        doubt = _doubt(len(classified))
        fields |= {"temperature": _temperature(probabilities, gold, doubt), "doubt": doubt}
    scores, right = entity_outcomes_of(rows)
    if len(scores) >= LEAST_ROWS:
        slope, offset = _slope_and_offset(scores, right)
        if slope > 0:  # otherwise the scores say nothing about what is right
            fields |= {"entity_slope": slope, "entity_offset": offset, "entity_doubt": _doubt(len(scores))}
    return Calibration(**fields)


def entity_outcomes_of(rows: Sequence[LabelledPrediction]) -> tuple[Floats, Bools]:
    """Return the confidence of each predicted entity, and whether its span and type are right."""
    scores, right = [], []
    for row in rows:
        if row.gold_entities is not None:
            gold = {(entity.start, entity.end, entity.label) for entity in row.gold_entities}
            scores += [entity.score for entity in row.predicted_entities]
            right += [(entity.start, entity.end, entity.label) in gold for entity in row.predicted_entities]
    return np.array(scores, dtype=np.float64), np.array(right, dtype=np.bool_)


def _doubt(rows: int) -> float:
    """Return the doubt that remains after that many rows without an error (Laplace's rule of succession)."""
    return 1 / (rows + 2)


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


def _slope_and_offset(scores: Floats, right: Bools) -> tuple[float, float]:
    """Return the logistic regression of being right on the log-odds of the score, with scikit-learn's penalty."""
    from sklearn.linear_model import LogisticRegression

    if right.all() or not right.any():
        return 1.0, 0.0  # a line through one kind of outcome has no slope
    model = LogisticRegression().fit(log_odds(scores)[:, None], right)
    return float(model.coef_[0, 0]), float(model.intercept_[0])
