"""The probability from which a label of a labels head applies, chosen per label on validation rows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

# Where no row decides: a label that no validation row has.
DEFAULT = 0.5


def choose_thresholds(probabilities: Floats, gold: Bools) -> list[float]:
    """Return the threshold of each label with the highest F1 on these rows.

    Of thresholds with the same F1, the one next to 0.5 is chosen. A threshold lies halfway between two probabilities,
    so that rounding changes no prediction of these rows.

    Args:
        probabilities: rows x labels.
        gold: whether the label applies, rows x labels.
    """
    return [_best_threshold(probabilities[:, label], gold[:, label]) for label in range(gold.shape[1])]


def applied_labels(probabilities: Floats, thresholds: Sequence[float]) -> Bools:
    """Return which labels apply, rows x labels: those whose probability reaches their threshold."""
    applied: Bools = np.asarray(probabilities) >= np.asarray(thresholds)
    return applied


def between(lower: Floats, upper: Floats) -> Floats:
    """Return a threshold halfway between two values; the upper one reaches it, and the lower one does not."""
    middle = (np.asarray(lower) + np.asarray(upper)) / 2
    # Between neighbouring numbers there is no third one.
    threshold: Floats = np.where(middle > lower, middle, upper)
    return threshold


def _best_threshold(probabilities: Floats, gold: Bools) -> float:
    if not gold.any():
        return DEFAULT
    values, place = np.unique(probabilities.astype(np.float64), return_inverse=True)
    positives = np.bincount(place, weights=gold, minlength=len(values))
    counts = np.bincount(place, minlength=len(values))
    # If the label applies from `values[i]` on: those rows, and how many of them are right.
    right, predicted = positives[::-1].cumsum()[::-1], counts[::-1].cumsum()[::-1]
    f1 = 2 * right / (predicted + gold.sum())
    cuts = between(np.concatenate([[0.0], values[:-1]]), values)
    best = np.flatnonzero(np.isclose(f1, f1.max(), rtol=0, atol=1e-12))
    return float(cuts[best[np.abs(cuts[best] - DEFAULT).argmin()]])
