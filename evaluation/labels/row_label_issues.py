"""Labels that are probably missing or wrong, by confident learning for several labels per row.

Each label is a problem of two classes, applies or not (Northcutt et al. 2021; Thyagarajan et al. 2022, "Identifying
incorrect annotations in multi-label classification data").
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from assay.evaluation.labels.class_issues import class_issues
from assay.evaluation.statistics import Bools, Floats


class RowLabelIssue(NamedTuple):
    """The number of a row, a label that is probably wrong there, and the probability of the opposite."""

    row: int
    label: str
    given: bool
    score: float


def row_label_issues(probabilities: Floats, given: Bools, names: Sequence[str]) -> list[RowLabelIssue]:
    """Return the labels that are probably missing from a row, or should not stand there.

    Args:
        probabilities: rows x labels, of a model that has not learned from these rows.
        given: whether each label stands at the row, rows x labels.
        names: the labels, in the order of the columns.
    """
    issues = []
    for column, name in enumerate(names):
        outcomes = np.stack([1 - probabilities[:, column], probabilities[:, column]], axis=1)
        for row in class_issues(outcomes, given[:, column].astype(np.int64)):
            stands = bool(given[row, column])
            issues.append(RowLabelIssue(int(row), name, stands, float(outcomes[row, int(not stands)])))
    return issues
