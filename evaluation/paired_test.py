"""Two models on the same rows: whether the F1 of one lies above that of the other by more than chance.

The test asks how often models that differ by the threshold only would show the difference that was found. Their rows
are made of the test rows:

1. A row on which the two differ could as well have come with the predictions exchanged: half of it is exchanged
   (approximate randomisation, Yeh 2000, "More accurate tests for the statistical significance of result differences").
2. One row is added, a mixture of all that either model got wrong, as if the other had been right. Where few rows
   disagree, the next sample may hold a kind that this one lacks (as in the intervals for paired shares of Agresti &
   Min 2005).
3. Rows are reweighted as little as makes the difference the threshold (exponential tilting: Efron 1981,
   "Nonparametric standard errors and confidence intervals"; Davison & Hinkley 1997, section 4.4).
4. Test sets are drawn from them. The p-value is the share of those that show the difference that was found, or more.

Where rows come in clusters (documents, groups, copies of one text), read cluster for row: whole clusters are
exchanged, added, reweighted and drawn, while F1 stays that of the rows in them (Field & Welsh 2007, "Bootstrapping
clustered data"). Equal models need no correction for few clusters: exchanging makes the spread that about a difference
of 0, and no mean is estimated that the spread would fall short of.
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

ADDED = 1.0  # rows, see above
STEEPEST = 30.0  # exp of it: how much more often the extreme row may come than an average one
BISECTIONS = 12
DRAWS_BEYOND = 20  # test sets that the bound is read from, at least
UNDER_NULL = 0.2  # of the draws for small p-values; no set counts for more than 1 / this
ROUNDING = 1e-12


@dataclass(frozen=True)
class Comparison:
    """F1 of the candidate minus F1 of the champion.

    `p_value` belongs to the null hypothesis that the true difference is at most the threshold that was asked for.
    `lower` is the one-sided lower bound: the largest threshold that is still refuted. It lies above the threshold
    exactly where the p-value is at most 1 - confidence. `alike` tells that the two differ on no row.
    """

    difference: float
    lower: float
    p_value: float
    alike: bool


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
        candidate: outcomes of the model that asks for promotion.
        champion: outcomes of the present one, row by row on the same rows.
        threshold: the null hypothesis is a difference of at most this: 0 to improve, -margin not to be worse.
        confidence: of the one-sided lower bound.
        replicas: bootstrap samples.
        seed: of the draws, so that a verdict can be computed again.

    Raises:
        ValueError: the two have different numbers of rows or classes, there are no rows, or no row holds anything to
            find and the two differ.
    """
    level = 1 - confidence
    test = _Test.of(candidate, champion, replicas, seed, small=replicas * level < DRAWS_BEYOND)
    asked = test.p_value(threshold)
    refuted = asked <= level
    low, high = (threshold, test.found) if refuted else (threshold - test.pairs.error, threshold)
    while not refuted and low > -1 and test.p_value(low) > level:
        low, high = low - 2 * test.pairs.error, low
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if test.p_value(middle) <= level else (low, middle)
    return Comparison(test.found, (low + high) / 2, asked, test.pairs.alike)


def p_value(
    candidate: Outcomes, champion: Outcomes, *, threshold: float = 0.0, replicas: int = REPLICAS, seed: int = SEED
) -> float:
    """The p-value of `compare` alone, in a tenth of the time.

    Raises:
        ValueError: as `compare`.
    """
    return _Test.of(candidate, champion, replicas, seed).p_value(threshold)


@dataclass(frozen=True)
class _Test:
    """What was found, and what could have been; `small` where p-values far below 1 / replicas are asked for."""

    pairs: "_Pairs"
    found: float
    replicas: int
    seed: int
    small: bool

    @classmethod
    def of(cls, candidate: Outcomes, champion: Outcomes, replicas: int, seed: int, *, small: bool = False) -> "_Test":
        _check_same_rows(candidate, champion)
        found = candidate.f1() - champion.f1()
        if not isfinite(found):
            raise ValueError("no test row holds anything to find, so there is no F1 to compare; add rows that do")
        return cls(_pair(candidate, champion), found, replicas, seed, small)

    def p_value(self, threshold: float) -> float:
        """Share of test sets with a true difference of `threshold` that show what was found, or more.

        Never 0 (Davison & Hinkley 1997, 4.11); as small as can be where rows like these cannot have that difference.
        Where the two differ nowhere, the p-value is at least that of the exact test on the share of disagreements.
        """
        if self.pairs.alike:
            return (
                1.0
                if threshold >= 0
                else max(self._tilted_p_value(threshold), self._chance_of_no_disagreement(threshold))
            )
        return self._tilted_p_value(threshold)

    def _chance_of_no_disagreement(self, threshold: float) -> float:
        """Chance that none of the rows is one of a share of disagreements as large as the threshold (binomial)."""
        return float(max(0.0, 1 + threshold) ** self.pairs.rows)

    def _tilted_p_value(self, threshold: float) -> float:
        null = self.pairs.with_difference(threshold)
        if threshold < self.found and self.small:
            return self._small_p_value(null or self.pairs.nearest_to(threshold))
        if null is None:
            return 1 / (1 + self.replicas) if threshold < self.found else 1.0
        drawn = draw_f1(null.tallies, null.share, null.rows, self.replicas, self.seed)
        less = drawn[:, 0] - drawn[:, 1] < self.found - ROUNDING
        return float((1 + np.count_nonzero(~less)) / (1 + self.replicas))

    def _small_p_value(self, null: "_Pairs") -> float:
        """Draw test sets under the null and some with the difference found, and count each as often as the null has it.

        About every second set of the latter shows what was found, however seldom one under the null does. Drawing from
        several sources at once bounds how much one set can count (importance sampling with a defensive mixture:
        Hesterberg 1995, "Weighted average importance sampling and defensive mixture distributions"). Counting the test
        set itself among them keeps the p-value valid for any number of draws (Harrison 2012, "Conservative hypothesis
        tests and confidence intervals using importance sampling", theorem 1).
        """
        sources = self._sources(null)
        logs = np.log([source.share for source in sources]) - np.log(null.share)
        parts = np.full(len(sources), (1 - UNDER_NULL) / (len(sources) - 1))
        parts[0] = UNDER_NULL
        total = float(_weights(null.observed[None], logs, parts).sum())
        for number, (source, replicas) in enumerate(zip(sources, self._split(parts), strict=True)):
            for counts, f1 in draw_sets(null.tallies, source.share, null.rows, int(replicas), self.seed + number):
                shown = f1[:, 0] - f1[:, 1] >= self.found - ROUNDING
                total += float(_weights(counts[shown], logs, parts).sum())
        return min(1.0, total / (1 + self.replicas))

    def _sources(self, null: "_Pairs") -> "list[_Pairs]":
        """The null first, then rows nearer to the test set, which the null can make all but impossible.

        These are the mean of both, in which the test set comes more often than under the null, and each of the two
        tilted to the difference found.
        """
        near = replace(null, weights=(null.share + null.observed / null.observed.sum()) / 2)
        tilted = [source.with_difference(self.found) for source in (null, near)]
        return [null, near, *filter(None, tilted)]

    def _split(self, parts: Floats) -> Ints:
        """How many of the test sets are drawn from each source, themselves drawn so that sets are independent."""
        split: Ints = np.random.default_rng(self.seed).multinomial(self.replicas, parts)
        return split


@dataclass(frozen=True)
class _Pairs:
    """Distinct rows (clusters, where there are any) of both models, how often each comes, and how often it came."""

    rows: int
    tallies: Floats  # distinct rows x 2 models x 3 x classes
    weights: Floats
    observed: Floats

    @property
    def alike(self) -> bool:
        """Whether the two differ nowhere."""
        came = self.tallies[self.observed > 0]
        return bool((came[:, 0] == came[:, 1]).all())

    @property
    def share(self) -> Floats:
        """How often each row comes, 1 together."""
        share: Floats = self.weights / self.weights.sum()
        return share

    @property
    def difference(self) -> float:
        """F1 of the candidate minus that of the champion, rows counted by their weights."""
        ours, theirs = mean_f1(np.tensordot(self.weights, self.tallies, axes=1))
        return float(ours - theirs)

    @cached_property
    def influence(self) -> Floats:
        """How much more of a row, beside all others, would move the difference (delta method)."""
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
        """Standard error of the difference."""
        return sqrt(float(self.weights @ self.influence**2) / self.weights.sum() / self.rows)

    def tilted(self, strength: float) -> "_Pairs":
        """Rows that favour the candidate come more often the greater the strength (less often below 0)."""
        exponent = strength * self.influence / np.abs(self.influence).max()
        return replace(self, weights=self.weights * np.exp(exponent - exponent.max()))

    def with_difference(self, value: float) -> "_Pairs | None":
        """The rows, reweighted as little as makes the difference this; None where no weights do."""

        def gap(strength: float) -> float:
            return self.tilted(strength).difference - value

        if not gap(-STEEPEST) <= 0 <= gap(STEEPEST):
            return None
        return self.tilted(brentq(gap, -STEEPEST, STEEPEST, xtol=1e-6))

    def nearest_to(self, value: float) -> "_Pairs":
        """The rows with the difference nearest to this, where none have it."""
        return self.tilted(-STEEPEST if value < self.difference else STEEPEST)


def _weights(counts: "Ints | Floats", logs: Floats, parts: Floats) -> Floats:
    """How much more often a test set comes under the null than in the mixture of sources.

    Args:
        counts: sets x rows.
        logs: of each source, log share less that under the null: sources x rows.
        parts: of the mixture, the null first.
    """
    weights: Floats = np.exp(-logsumexp(counts @ logs.T, b=parts, axis=1))
    return weights


def _check_same_rows(candidate: Outcomes, champion: Outcomes) -> None:
    if len(candidate) != len(champion) or candidate.classes != champion.classes:
        raise ValueError("a paired comparison needs the same rows and the same classes for both models")
    if not len(candidate):
        raise ValueError("a paired comparison needs at least one row")


def _pair(candidate: Outcomes, champion: Outcomes) -> _Pairs:
    """Rows (clusters) of both, half exchanged where they differ, and the added one."""
    if candidate.classes == 1:  # so that there is a wrong class, too
        candidate, champion = (replace(model, classes=2) for model in (candidate, champion))
    ours, theirs = candidate.by_cluster(), champion.by_cluster()
    differ = (ours.codes != theirs.codes).any(axis=1)
    width = ours.codes.shape[1]
    mistakes = np.concatenate([_with_errors(candidate), _with_errors(champion)])
    if not len(mistakes):
        mistakes = _with_errors(replace(candidate, codes=candidate.all_wrong()))
    seen = np.hstack([ours.codes, theirs.codes])
    unlike = np.concatenate([seen[differ], mistakes])
    halves = np.concatenate([np.full(differ.sum(), 0.5), np.full(len(mistakes), ADDED / 2 / len(mistakes))])
    codes = np.concatenate([seen[~differ], unlike, np.roll(unlike, width, axis=1)])
    weights = np.concatenate([np.ones(len(seen) - differ.sum()), halves, halves])
    distinct, place = distinct_rows(codes)
    tallies = np.stack([ours.tally(distinct[:, :width]), theirs.tally(distinct[:, width:])], axis=1)
    came = np.concatenate([np.ones(len(seen)), np.zeros(len(codes) - len(seen))])
    return _Pairs(candidate.size, tallies, *(np.bincount(place, one).astype(np.float64) for one in (weights, came)))


def _with_errors(outcomes: Outcomes) -> Ints:
    """The clusters in which a model got something wrong, beside what would have been right."""
    perfect = replace(outcomes, codes=outcomes.perfect()).by_cluster().codes
    own = outcomes.by_cluster().codes
    wrong = (own != perfect).any(axis=1)
    pairs: Ints = np.hstack([perfect, own])[wrong]
    return pairs
