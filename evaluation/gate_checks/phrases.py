"""Text formatting that several checks share."""

from collections.abc import Sequence

from assay.evaluation.labelled_predictions import LabelledPrediction, rows_of
from assay.evaluation.metrics import HEAD_NOUNS
from assay.evaluation.statistics import Interval
from assay.recipes.recipe import Head

# What a head's predictions are counted in.
COUNTED: dict[Head, str] = {"sentence": "rows", "labels": "labels", "tokens": "entities"}


def percent(share: float) -> str:
    """Return a share in percent, such as 95% or 99.75%."""
    return f"{100 * share:.5g}%"


def no_prediction(rows: Sequence[LabelledPrediction], head: Head) -> str:
    """Return why a head has no prediction on labelled test rows, and the remedy."""
    if labelled := len(rows_of(rows, head)):
        return f"the model predicts no {HEAD_NOUNS[head]} on {labelled:,} labelled test rows; improve the model"
    return f"no test row is labelled with {HEAD_NOUNS[head]}; add labelled test rows"


def reaches(interval: Interval, threshold: float, what: str) -> str:
    """Return why a metric passes, and whether the rows leave it open that it is really below the threshold."""
    if interval.low >= threshold:
        return "reaches the threshold"
    return f"reaches the threshold, but may be {interval.low:.3f} in truth; more {what} would show it"
