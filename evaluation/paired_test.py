"""Paired test of two models on the same rows: is the F1 of one higher than that of the other by more than chance?

The test estimates how often two models whose true difference equals the threshold would show the observed difference
or a larger one. The distribution of rows under this null hypothesis is derived from the test rows:

1. If the two models differ on a row, the row could equally have come with the predictions exchanged: half of its weight
   is exchanged (approximate randomisation, Yeh 2000, "More accurate tests for the statistical significance of result
   differences").
2. One row is added, a mixture of all errors of either model, as if the other model had been right. If few rows
   disagree, the next sample may hold a kind of row that this one lacks (as in the intervals for paired shares of
   Agresti & Min 2005).
3. Rows are reweighted by the smallest change that makes the difference equal to the threshold (exponential tilting:
   Efron 1981, "Nonparametric standard errors and confidence intervals"; Davison & Hinkley 1997, section 4.4).
4. Test sets are drawn from this distribution. The p-value is the share of test sets that show at least the observed
   difference.

If rows come in clusters (documents, groups, copies of one text), the test exchanges, adds, reweights and draws whole
clusters, while F1 remains that of their rows (Field & Welsh 2007, "Bootstrapping clustered data"). Equal models need no
correction for few clusters: exchanging centres the spread on a difference of 0, so that no mean is estimated that would
make the spread too small.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from assay.evaluation.statistics import (
    REPLICAS,
    SEED,
    Floats,
    Ints,
    Outcomes,
    distinct_rows,
    draw_f1,
    draw_sets,
    mean_f1,
)

ADDED = 1.0  # rows, see step 2
STEEPEST = 30.0  # strongest tilt; exp(STEEPEST) is the largest factor between an extreme and an average row
BISECTIONS = 12
DRAWS_BEYOND = 20  # minimum number of test sets beyond the bound
UNDER_NULL = 0.2  # share of null draws for small p-values; no set weighs more than 1 / UNDER_NULL
ROUNDING = 1e-12


@dataclass(frozen=True)
class Comparison:
    """F1 of the candidate minus F1 of the champion.

    `p_value` belongs to the null hypothesis that the true difference is at most the requested threshold. `lower` is
    the one-sided lower bound: the largest threshold that is still rejected. It lies above the threshold exactly if the
    p-value is at most 1 - confidence. `identical` is True if the two models differ on no row.
    """

    difference: float
    lower: float
    p_value: float
    identical: bool


def compare(
    candidate: Outcomes,
    champion: Outcomes,
    *,
    threshold: float = 0.0,
    confidence: float = 0.95,
    replicas: int = REPLICAS,
    seed: int = SEED,
) -> Comparison:
    """Compare two models on the same rows.

    Args:
        candidate: outcomes of the candidate.
        champion: outcomes of the champion on the same rows, in the same order.
        threshold: largest difference under the null hypothesis: 0 to improve, -margin for non-inferiority.
        confidence: confidence of the one-sided lower bound.
        replicas: number of bootstrap samples.
        seed: seed of the draws, so that a verdict can be reproduced.

    Raises:
        ValueError: the two have different numbers of rows or classes, there are no rows, or F1 is undefined because no
            row has gold labels.
    """
    level = 1 - confidence
    test = _Test.of(candidate, champion, replicas, seed, small=replicas * level < DRAWS_BEYOND)
    p_value_at_threshold = test.p_value(threshold)
    rejected = p_value_at_threshold <= level
    low, high = (threshold, test.observed_difference) if rejected else (threshold - test.pairs.error, threshold)
    while not rejected and low > -1 and test.p_value(low) > level:
        low, high = low - 2 * test.pairs.error, low
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if test.p_value(middle) <= level else (low, middle)
    return Comparison(test.observed_difference, (low + high) / 2, p_value_at_threshold, test.pairs.identical)


def p_value(
    candidate: Outcomes, champion: Outcomes, *, threshold: float = 0.0, replicas: int = REPLICAS, seed: int = SEED
) -> float:
    """Compute the p-value of `compare` alone, in a tenth of the time.

    Raises:
        ValueError: see `compare`.
    """
    return _Test.of(candidate, champion, replicas, seed).p_value(threshold)


@dataclass(frozen=True)
class _Test:
    """The observed difference and the null distribution; `small` if p-values far below 1 / replicas are needed."""

    pairs: "_Pairs"
    observed_difference: float
    replicas: int
    seed: int
    small: bool

    @classmethod
    def of(cls, candidate: Outcomes, champion: Outcomes, replicas: int, seed: int, *, small: bool = False) -> "_Test":
        _check_same_rows(candidate, champion)
        observed_difference = candidate.f1() - champion.f1()
        if not isfinite(observed_difference):
            raise ValueError("no test row has a gold label, so there is no F1 to compare; add labelled rows")
        return cls(_pair(candidate, champion), observed_difference, replicas, seed, small)

    def p_value(self, threshold: float) -> float:
        """Return the share of test sets with a true difference of `threshold` that show at least the observed one.

        It is never 0 (Davison & Hinkley 1997, 4.11), and minimal if rows like these cannot have that difference. If
        the two models are identical, it is at least the p-value of the exact test on the share of disagreements.
        """
        if self.pairs.identical:
            return (
                1.0
                if threshold >= 0
                else max(self._tilted_p_value(threshold), self._chance_of_no_disagreement(threshold))
            )
        return self._tilted_p_value(threshold)

    def _chance_of_no_disagreement(self, threshold: float) -> float:
        """Return the binomial probability of no disagreement, given a share of disagreements of -`threshold`."""
        return float(max(0.0, 1 + threshold) ** self.pairs.rows)

    def _tilted_p_value(self, threshold: float) -> float:
        null = self.pairs.with_difference(threshold)
        if threshold < self.observed_difference and self.small:
            return self._small_p_value(null or self.pairs.nearest_to(threshold))
        if null is None:
            return 1 / (1 + self.replicas) if threshold < self.observed_difference else 1.0
        drawn = draw_f1(null.tallies, null.share, null.rows, self.replicas, self.seed)
        less = drawn[:, 0] - drawn[:, 1] < self.observed_difference - ROUNDING
        return float((1 + np.count_nonzero(~less)) / (1 + self.replicas))

    def _small_p_value(self, null: "_Pairs") -> float:
        """Estimate a small p-value by importance sampling.

        Test sets are drawn under the null and near the observed difference, and weighted by their likelihood under the
        null. About half of the latter show the observed difference, however rare it is under the null. Drawing from
        several sources bounds the weight of one set (defensive mixture: Hesterberg 1995, "Weighted average importance
        sampling and defensive mixture distributions"). Counting the test set itself keeps the p-value valid for any
        number of draws (Harrison 2012, "Conservative hypothesis tests and confidence intervals using importance
        sampling", theorem 1).
        """
        sources = self._sources(null)
        log_ratios = np.log([source.share for source in sources]) - np.log(null.share)
        parts = np.full(len(sources), (1 - UNDER_NULL) / (len(sources) - 1))
        parts[0] = UNDER_NULL
        total = float(_importance_weights(null.observed[None], log_ratios, parts).sum())
        for number, (source, replicas) in enumerate(zip(sources, self._split(parts), strict=True)):
            for counts, f1 in draw_sets(null.tallies, source.share, null.rows, int(replicas), self.seed + number):
                shown = f1[:, 0] - f1[:, 1] >= self.observed_difference - ROUNDING
                total += float(_importance_weights(counts[shown], log_ratios, parts).sum())
        return min(1.0, total / (1 + self.replicas))

    def _sources(self, null: "_Pairs") -> "list[_Pairs]":
        """Return the sources of the mixture: the null first, then distributions nearer to the test set.

        The latter are the mean of the null and the test set, and each of the two tilted to the observed difference. The
        null can make the test set almost impossible.
        """
        near = replace(null, weights=(null.share + null.observed / null.observed.sum()) / 2)
        tilted = [source.with_difference(self.observed_difference) for source in (null, near)]
        return [null, near, *filter(None, tilted)]

    def _split(self, parts: Floats) -> Ints:
        """Draw the number of test sets per source, so that the sets are independent."""
        split: Ints = np.random.default_rng(self.seed).multinomial(self.replicas, parts)
        return split


@dataclass(frozen=True)
class _Pairs:
    """Distinct rows (or clusters) of both models with their weights and their observed counts."""

    rows: int
    tallies: Floats  # distinct rows x 2 models x 3 x classes
    weights: Floats
    observed: Floats

    @property
    def identical(self) -> bool:
        """Return whether the two models differ on no row."""
        observed = self.tallies[self.observed > 0]
        return bool((observed[:, 0] == observed[:, 1]).all())

    @property
    def share(self) -> Floats:
        """Return the weights, normalised to a sum of 1."""
        share: Floats = self.weights / self.weights.sum()
        return share

    @property
    def difference(self) -> float:
        """Return the weighted F1 of the candidate minus that of the champion."""
        candidate, champion = mean_f1(np.tensordot(self.weights, self.tallies, axes=1))
        return float(candidate - champion)

    @cached_property
    def influence(self) -> Floats:
        """Return the influence of each row on the difference (delta method)."""
        sums = np.tensordot(self.weights, self.tallies, axes=1)
        size = np.array([2.0, 1.0, 1.0])
        total, right = size @ sums, 2 * sums[:, 0]
        present = sums[:, 0] + sums[:, 2] > 0
        safe = np.where(total > 0, total, 1.0)
        moved = (2 * self.tallies[:, :, 0] * total - right * np.einsum("k,rmkc->rmc", size, self.tallies)) / safe**2
        mean = np.where(present, moved, 0.0).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
        influence: Floats = (mean[:, 0] - mean[:, 1]) * self.weights.sum()
        return influence

    @cached_property
    def error(self) -> float:
        """Return the standard error of the difference."""
        return sqrt(float(self.weights @ self.influence**2) / self.weights.sum() / self.rows)

    def tilted(self, strength: float) -> "_Pairs":
        """Tilt the weights towards rows that favour the candidate, or away from them if the strength is negative."""
        exponent = strength * self.influence / np.abs(self.influence).max()
        return replace(self, weights=self.weights * np.exp(exponent - exponent.max()))

    def with_difference(self, value: float) -> "_Pairs | None":
        """Reweight the rows by the smallest change that gives this difference; return None if no weights do."""

        def gap(strength: float) -> float:
            return self.tilted(strength).difference - value

        if not gap(-STEEPEST) <= 0 <= gap(STEEPEST):
            return None
        return self.tilted(brentq(gap, -STEEPEST, STEEPEST, xtol=1e-6))

    def nearest_to(self, value: float) -> "_Pairs":
        """Return the rows with the difference nearest to this one, for a difference that no weights give."""
        return self.tilted(-STEEPEST if value < self.difference else STEEPEST)


def _importance_weights(counts: "Ints | Floats", log_ratios: Floats, parts: Floats) -> Floats:
    """Return the likelihood ratio of each test set: under the null over in the mixture of sources.

    Args:
        counts: counts of rows, sets x rows.
        log_ratios: log share under each source minus log share under the null, sources x rows.
        parts: share of each source in the mixture, the null first.
    """
    weights: Floats = np.exp(-logsumexp(counts @ log_ratios.T, b=parts, axis=1))
    return weights


def _check_same_rows(candidate: Outcomes, champion: Outcomes) -> None:
    if len(candidate) != len(champion) or candidate.classes != champion.classes:
        raise ValueError("a paired comparison needs the same rows and the same classes for both models")
    if not len(candidate):
        raise ValueError("a paired comparison needs at least one row")


def _pair(candidate: Outcomes, champion: Outcomes) -> _Pairs:
    """Pair the rows (or clusters) of both models, exchange half of those that differ, and add one row of errors."""
    if candidate.classes == 1:  # a wrong class must exist
        candidate, champion = (replace(model, classes=2) for model in (candidate, champion))
    candidate_clusters, champion_clusters = candidate.by_cluster(), champion.by_cluster()
    differ = (candidate_clusters.codes != champion_clusters.codes).any(axis=1)
    width = candidate_clusters.codes.shape[1]
    errors = np.concatenate([_with_errors(candidate), _with_errors(champion)])
    if not len(errors):
        errors = _with_errors(replace(candidate, codes=candidate.all_wrong()))
    code_pairs = np.hstack([candidate_clusters.codes, champion_clusters.codes])
    differing = np.concatenate([code_pairs[differ], errors])
    halves = np.concatenate([np.full(differ.sum(), 0.5), np.full(len(errors), ADDED / 2 / len(errors))])
    codes = np.concatenate([code_pairs[~differ], differing, np.roll(differing, width, axis=1)])
    weights = np.concatenate([np.ones(len(code_pairs) - differ.sum()), halves, halves])
    distinct, place = distinct_rows(codes)
    tallies = np.stack(
        [candidate_clusters.tally(distinct[:, :width]), champion_clusters.tally(distinct[:, width:])], axis=1
    )
    observed = np.concatenate([np.ones(len(code_pairs)), np.zeros(len(codes) - len(code_pairs))])
    return _Pairs(
        candidate.size, tallies, *(np.bincount(place, values).astype(np.float64) for values in (weights, observed))
    )


def _with_errors(outcomes: Outcomes) -> Ints:
    """Return the clusters with errors of a model: perfect codes next to the actual ones."""
    perfect = replace(outcomes, codes=outcomes.perfect()).by_cluster().codes
    actual = outcomes.by_cluster().codes
    wrong = (actual != perfect).any(axis=1)
    pairs: Ints = np.hstack([perfect, actual])[wrong]
    return pairs
