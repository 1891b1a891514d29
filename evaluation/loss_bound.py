"""Exact bounds on the mean loss of some predictions, which hold for any distribution, and with clusters.

For independent predictions that are right or wrong, the bounds are those of Clopper & Pearson (1934). Predictions of
one cluster (sentences of one document, entities of one text, near-duplicates) are not independent: their errors come in
clumps. Predictions and losses are therefore counted in clumps of the mean size of a clump, weighted by its loss, as the
variance of a compound sum needs it: a design effect, as surveys use it with these bounds (Korn & Graubard 1998,
"Confidence intervals for proportions with small expected number of positive counts"). Since few errors say little about
the size of clumps, one whole cluster of average size counts as a clump, too: without any error, predictions count as
many as their clusters.
"""

from dataclasses import dataclass

import numpy as np

from assay.evaluation.statistics import Floats, Ints


@dataclass(frozen=True)
class LossCount:
    """The number of some predictions and their loss, each in clumps; `loss` is from 0 to 1 per prediction."""

    predictions: float
    loss: float

    @classmethod
    def of(cls, loss: Floats, clusters: Ints | None = None) -> "LossCount":
        """Count losses.

        Args:
            loss: loss of each prediction, from 0 (right) to 1 (as wrong as can be).
            clusters: cluster number of each prediction, from 0; None if they are independent.
        """
        if not len(loss):
            return cls(0.0, 0.0)
        names = np.arange(len(loss)) if clusters is None else clusters
        sizes, sums = np.bincount(names), np.bincount(names, weights=loss)
        whole = float(sizes @ sizes) / len(loss)
        clump = (float(sums @ sums) + whole**2) / (float(sums.sum()) + whole)
        return cls(len(loss) / clump, float(sums.sum()) / clump)

    def times(self, factor: float) -> "LossCount":
        """Return the counts of so many times more predictions of the same kind."""
        return LossCount(self.predictions * factor, self.loss * factor)

    @property
    def mean(self) -> float:
        """Return the mean loss; NaN without predictions."""
        return self.loss / self.predictions if self.predictions else float("nan")

    def p_value(self, limit: float) -> float:
        """Return the p-value of the null hypothesis that the mean loss is at least `limit`."""
        from scipy.special import betaincc  # scipy takes long to import

        if self.loss >= self.predictions:
            return 1.0
        return float(betaincc(self.loss + 1, self.predictions - self.loss, limit))

    def p_value_below(self, limit: float) -> float:
        """Return the p-value of the null hypothesis that the mean loss is at most `limit`."""
        from scipy.special import betainc

        if self.loss <= 0:
            return 1.0
        return float(betainc(self.loss, max(self.predictions - self.loss, 0.0) + 1, limit))

    def upper(self, confidence: float) -> float:
        """Return the upper bound of the mean loss with one-sided confidence; 1 without predictions."""
        from scipy.special import betaincinv

        if self.loss >= self.predictions:
            return 1.0
        return float(betaincinv(self.loss + 1, self.predictions - self.loss, confidence))

    def lower(self, confidence: float) -> float:
        """Return the lower bound of the mean loss with one-sided confidence; 0 without losses."""
        from scipy.special import betaincinv

        if self.loss <= 0:
            return 0.0
        return float(betaincinv(self.loss, max(self.predictions - self.loss, 0.0) + 1, 1 - confidence))
