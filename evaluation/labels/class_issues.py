"""Classes that are probably labelled wrongly, by confident learning (Northcutt et al. 2021)."""

import numpy as np

from assay.evaluation.statistics import Floats, Ints


def class_margins(probabilities: Floats, given: Ints) -> Floats:
    """Return the probability of the most probable other class of each row minus that of the given class.

    Args:
        probabilities: rows x classes, of a model that has not learned from these rows.
        given: the class of each row.
    """
    rows = np.arange(len(given))
    others = probabilities.copy()
    others[rows, given] = -1.0
    margins: Floats = others.max(axis=1) - probabilities[rows, given]
    return margins


def class_issues(probabilities: Floats, given: Ints) -> tuple[Ints, Floats]:
    """Return the class that a model is confident of where the given one is probably wrong, else -1, and the margins.

    A label is an issue if the model is confident of another class, and finds that one more probable.

    Args:
        probabilities: rows x classes, of a model that has not learned from these rows.
        given: the class of each row.
    """
    confident, margins = confident_classes(probabilities, given), class_margins(probabilities, given)
    issues: Ints = np.where((confident != given) & (margins > 0), confident, -1)
    return issues, margins


def confident_classes(probabilities: Floats, given: Ints) -> Ints:
    """Return the most probable class whose threshold each row reaches; -1 if it reaches none.

    The threshold of a class is the mean probability of the class among the rows that are labelled with it, so that a
    class which the model is rarely sure of needs less.
    """
    classes = probabilities.shape[1]
    # No row can be confidently of a class that no row is labelled with.
    thresholds = [
        probabilities[given == code, code].mean() if (given == code).any() else np.inf for code in range(classes)
    ]
    reached = np.where(probabilities >= np.array(thresholds), probabilities, -1.0)
    confident: Ints = np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)
    return confident
