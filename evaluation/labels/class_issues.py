"""Classes that are probably labelled wrongly, by confident learning (Northcutt et al. 2021)."""

import warnings

import numpy as np

from assay.evaluation.statistics import Floats, Ints


def class_issues(probabilities: Floats, given: Ints) -> Ints:
    """Return the rows whose given class is probably wrong, the most probable one first.

    Args:
        probabilities: rows x classes, of a model that has not learned from these rows.
        given: the class of each row.
    """
    # Imported here: it takes a second, and most commands find no label issues.
    from cleanlab.filter import find_label_issues

    if len(np.unique(given)) < 2:
        return np.array([], dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about rare classes, of which it keeps at least one row
        # By the probability of the given class, which finds more here than its other rankings (make bench-labels). One
        # process, since rows are few and a flow may run in a thread.
        issues: Ints = find_label_issues(given, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return issues
