"""Platt scaling: a probability corrected by the logistic regression of its log-odds (Platt 1999)."""

from assay.evaluation.statistics import Bools, Floats
from assay.serving.calibration import log_odds

# With fewer rows or entities a fit says more about them than about the model.
LEAST_ROWS = 50


def remaining_doubt(rows: int) -> float:
    """Return the doubt that remains after that many rows without an error (Laplace's rule of succession)."""
    return 1 / (rows + 2)


def slope_and_offset(scores: Floats, right: Bools) -> tuple[float, float]:
    """Return the logistic regression of being right on the log-odds of the score, with scikit-learn's penalty."""
    from sklearn.linear_model import LogisticRegression

    if right.all() or not right.any():
        return 1.0, 0.0  # a line through one kind of outcome has no slope
    model = LogisticRegression().fit(log_odds(scores)[:, None], right)
    return float(model.coef_[0, 0]), float(model.intercept_[0])
