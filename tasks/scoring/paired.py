"""Two models on the same rows: whether the F1 of one lies above that of the other by more than chance.

The test asks how often models that differ by the threshold only would show the difference that was found. Their rows
are made of the test rows:

1. A row on which the two differ could as well have come with the answers exchanged: half of it is exchanged
   (approximate randomisation, Yeh 2000, "More accurate tests for the statistical significance of result differences").
2. One row is added, a mixture of all that either model got wrong, as if the other had been right. Where few rows
   disagree, the next sample may hold a kind that this one lacks (as in the intervals for paired shares of Agresti &
   Min 2005).
3. Rows are reweighted as little as makes the difference the threshold (exponential tilting: Efron 1981,
   "Nonparametric standard errors and confidence intervals"; Davison & Hinkley 1997, section 4.4).
4. Test sets are drawn from them. The p-value is the share of those that show the difference that was found, or more.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, isfinite, sqrt

import numpy as np
from scipy.optimize import brentq

from tasks.scoring.statistics import REPLICAS, SEED, Floats, Ints, Outcomes, distinct_rows, draw_f1, mean_f1

ADDED = 1.0  # rows, see above
STEEPEST = 30.0  # exp of it: how much more often the extreme row may come than an average one
BISECTIONS = 12
DRAWS_BEYOND = 20  # test sets that the bound is read from, at least
ROUNDING = 1e-12


@dataclass(frozen=True)
class Comparison:
    """F1 of the candidate minus F1 of the champion.

    `p_value` belongs to the null hypothesis that the true difference is at most the threshold that was asked for.
    `lower` is the one-sided lower bound: the largest threshold that is still refuted. It lies above the threshold
    exactly where the p-value is at most 1 - confidence.
    """

    difference: float
    lower: float
    p_value: float


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
    replicas = max(replicas, ceil(DRAWS_BEYOND / level))
    test = _Test.of(candidate, champion, replicas, seed)
    asked = test.p_value(threshold)
    if test.pairs is None:
        return Comparison(0.0, 0.0, asked)
    refuted = asked <= level
    low, high = (threshold, test.found) if refuted else (threshold - test.pairs.error, threshold)
    while not refuted and low > -1 and test.p_value(low) > level:
        low, high = low - 2 * test.pairs.error, low
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if test.p_value(middle) <= level else (low, middle)
    return Comparison(test.found, (low + high) / 2, asked)


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
    """What was found, and what could have been; without pairs where both models answered every row alike."""

    pairs: "_Pairs | None"
    found: float
    replicas: int
    seed: int

    @classmethod
    def of(cls, candidate: Outcomes, champion: Outcomes, replicas: int, seed: int) -> "_Test":
        pairs = _pair(candidate, champion)
        found = candidate.f1() - champion.f1() if pairs else 0.0
        if not isfinite(found):
            raise ValueError("no test row holds anything to find, so there is no F1 to compare; add rows that do")
        return cls(pairs, found, replicas, seed)

    def p_value(self, threshold: float) -> float:
        """Share of test sets with a true difference of `threshold` that show what was found, or more.

        Never 0 (Davison & Hinkley 1997, 4.11); as small as can be where rows like these cannot have that difference.
        """
        least = 1 / (1 + self.replicas)
        if self.pairs is None:
            return 1.0 if threshold >= 0 else least
        null = self.pairs.with_difference(threshold)
        if null is None:
            return least if threshold < self.found else 1.0
        drawn = draw_f1(null.tallies, null.weights / null.weights.sum(), null.rows, self.replicas, self.seed)
        less = drawn[:, 0] - drawn[:, 1] < self.found - ROUNDING
        return float((1 + np.count_nonzero(~less)) / (1 + self.replicas))


@dataclass(frozen=True)
class _Pairs:
    """Distinct rows of both models, and how often each comes."""

    rows: int
    tallies: Floats  # distinct rows x 2 models x 3 x classes
    weights: Floats

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


def _pair(candidate: Outcomes, champion: Outcomes) -> _Pairs | None:
    """Rows of both, half exchanged where they differ, and the added row; None where they are equal on every row."""
    if len(candidate) != len(champion) or candidate.classes != champion.classes:
        raise ValueError("a paired comparison needs the same rows and the same classes for both models")
    if not len(candidate):
        raise ValueError("a paired comparison needs at least one row")
    differ = (candidate.codes != champion.codes).any(axis=1)
    if not differ.any():
        return None
    width = candidate.codes.shape[1]
    mistakes = np.concatenate([_with_mistakes(candidate), _with_mistakes(champion)])
    seen = np.hstack([candidate.codes, champion.codes])
    unlike = np.concatenate([seen[differ], mistakes])
    halves = np.concatenate([np.full(differ.sum(), 0.5), np.full(len(mistakes), ADDED / 2 / len(mistakes))])
    codes = np.concatenate([seen[~differ], unlike, np.roll(unlike, width, axis=1)])
    weights = np.concatenate([np.ones(len(seen) - differ.sum()), halves, halves])
    distinct, place = distinct_rows(codes)
    tallies = np.stack([candidate.tally(distinct[:, :width]), champion.tally(distinct[:, width:])], axis=1)
    return _Pairs(len(candidate), tallies, np.bincount(place, weights).astype(np.float64))


def _with_mistakes(outcomes: Outcomes) -> Ints:
    """The rows that a model got wrong, beside what would have been right."""
    perfect = outcomes.perfect()
    wrong = (outcomes.codes != perfect).any(axis=1)
    rows: Ints = np.hstack([perfect, outcomes.codes])[wrong]
    return rows
