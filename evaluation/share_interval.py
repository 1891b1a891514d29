"""The interval of a share, such as a recall or a precision, of cases that may come in clusters.

Without clusters it is the exact one (Clopper & Pearson 1934), also where all cases are right. With clusters, the same
is taken at the effective number of cases: their number divided by the design effect, the variance of the share
over clusters relative to that of independent cases, and adjusted for the few clusters it is estimated from (Korn &
Graubard 1998, "Confidence intervals for proportions with small expected number of positive counts estimated from survey
data").
"""

from dataclasses import dataclass

import numpy as np

from assay.evaluation.statistics import Bools, Floats, Interval, Ints, sample_size

COVERAGE = 0.95


@dataclass(frozen=True)
class Share:
    """A share of right cases with its 95 % interval, and the numbers behind it; `clusters` is None if independent."""

    interval: Interval
    right: int
    cases: int
    clusters: int | None

    @property
    def value(self) -> float:
        """Return the share."""
        return self.interval.value

    def count(self, noun: str) -> str:
        """Return the numbers as text: 41 of 47 rows in 12 clusters."""
        return f"{self.right:,} of {sample_size(self.cases, self.clusters).replace('rows', noun, 1)}"


def share_of(right: Bools, clusters: Ints | None = None) -> Share:
    """Return the share of right cases with its interval.

    Args:
        right: whether each case is right; at least one.
        clusters: cluster number of each case, from 0; None if they are independent.
    """
    numbers = np.arange(len(right)) if clusters is None else clusters
    totals = np.bincount(numbers).astype(np.float64)
    rights: Floats = np.bincount(numbers, weights=right.astype(np.float64)).astype(np.float64)
    rights, totals = rights[totals > 0], totals[totals > 0]
    independent = len(totals) == len(right)
    return Share(share_interval(rights, totals), int(rights.sum()), len(right), None if independent else len(totals))


def share_interval(rights: Floats, totals: Floats) -> Interval:
    """Return a share with its 95 % interval.

    Args:
        rights: number of right cases of each cluster.
        totals: number of cases of each cluster, each above 0; clusters of one case are independent cases.
    """
    share = float(rights.sum() / totals.sum())
    if len(totals) == 1 and totals[0] > 1:
        return Interval(share, 0.0, 1.0)  # one cluster shows no spread
    low, high = _clopper_pearson(share, _effective_cases(rights, totals))
    return Interval(share, low, high)


def _effective_cases(rights: Floats, totals: Floats) -> float:
    """Return the number of independent cases that would show the share as precisely."""
    from scipy.stats import t as student  # scipy.stats takes a second to import

    cases, clusters = float(totals.sum()), len(totals)
    if clusters == cases:
        return cases
    share = rights.sum() / cases
    if share in (0.0, 1.0):
        return clusters  # the cases of a cluster may be copies
    variance = clusters / (clusters - 1) * ((rights - share * totals) ** 2).sum() / cases**2
    effective = min(cases, share * (1 - share) / variance) if variance > 0 else cases
    upper = (1 + COVERAGE) / 2
    few_clusters = (student.ppf(upper, cases - 1) / student.ppf(upper, clusters - 1)) ** 2
    return float(max(1.0, effective * few_clusters))


def _clopper_pearson(share: float, cases: float) -> tuple[float, float]:
    from scipy.stats import beta  # as above

    right, wrong, tail = share * cases, (1 - share) * cases, (1 - COVERAGE) / 2
    low = float(beta.ppf(tail, right, wrong + 1)) if right > 0 else 0.0
    high = float(beta.ppf(1 - tail, right + 1, wrong)) if wrong > 0 else 1.0
    return low, high
