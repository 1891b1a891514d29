"""Two models on the rows of a task, with a chosen disagreement and a chosen true difference of F1.

All ordered pairs of the task's models are pooled, so that candidate and champion are the same mixture: equal
models, to the last digit. Rows on which a pair disagrees then get more or less weight, and if one of the two did
better, the pair that favours the candidate is drawn more often, until the true difference is as wanted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist

import numpy as np

from assay.evaluation.statistics import Floats, Ints, Outcomes
from benchmarks.gate_rows import RowResults


@dataclass(frozen=True)
class Population:
    """Distinct rows (codes of candidate and champion) with the frequency of each."""

    codes: Ints
    share: Floats
    classes: int | None

    @property
    def difference(self) -> float:
        """Return the true F1 of the candidate minus that of the champion."""
        candidate, champion = (_f1(np.tensordot(self.share, tally, axes=1)) for tally in self._tallies)
        return float(candidate - champion)

    @property
    def deviation(self) -> float:
        """Return the standard deviation of the measured difference times the root of the rows (delta method)."""
        return sqrt(float(self.share @ self.influence() ** 2))

    def power(self, rows: int, threshold: float, confidence: float = 0.95) -> float:
        """Return the chance that the lower bound is above the threshold, by the normal approximation."""
        normal = NormalDist()
        gap = (self.difference - threshold) * sqrt(rows) / self.deviation
        return normal.cdf(gap - normal.inv_cdf(confidence))

    def power_of_the_best_test(self, rows: int, confidence: float = 0.95, runs: int = 20_000) -> float:
        """Return the power of the best possible test at this confidence against the nearest equal challenger.

        A test that is valid for all pairs of equal models is valid for the equal pair that is nearest to this one,
        and against that alone the likelihood ratio is the most powerful (Neyman and Pearson 1933).
        """
        null = _nearest_equal(self)
        ratio = np.log(self.share / null.share)
        random = np.random.default_rng(6)
        least = np.quantile(random.multinomial(rows, null.share, size=runs) @ ratio, confidence)
        return float(np.mean(random.multinomial(rows, self.share, size=runs) @ ratio > least))

    def influence(self) -> Floats:
        """Return the influence of a row of each kind on the difference."""
        candidate, champion = (_influence(tally, self.share) for tally in self._tallies)
        return candidate - champion

    def samples(self, rows: int, runs: int, seed: int) -> Iterator[tuple[Outcomes, Outcomes]]:
        """Draw test sets of so many rows: outcomes of the candidate and of the champion."""
        width = self.codes.shape[1] // 2
        random = np.random.default_rng(seed)
        for counts in random.multinomial(rows, self.share, size=runs):
            drawn = np.repeat(self.codes, counts, axis=0)
            yield Outcomes(drawn[:, :width], self.classes), Outcomes(drawn[:, width:], self.classes)

    @property
    def _tallies(self) -> tuple[Floats, Floats]:
        width = self.codes.shape[1] // 2
        counter = Outcomes(self.codes[:, :width], self.classes)
        return counter.tally(self.codes[:, :width]), counter.tally(self.codes[:, width:])


def make_population(
    results: RowResults, disagreement: float, difference: float, unlike: float = 0.0
) -> Population | None:
    """Return the population with this share of differing rows and this difference; None if they exclude each other.

    With `unlike`, the candidate is better on the first class and worse on the others, so that the two are not the
    same mixture even if their F1 is the same; below 0 the other way round, above -1 and below 1.
    """
    codes, counts = results.pairs
    share = counts / counts.sum()
    width = codes.shape[1] // 2
    differ = (codes[:, :width] != codes[:, width:]).any(axis=1)
    share = np.where(
        differ, share * disagreement / share[differ].sum(), share * (1 - disagreement) / share[~differ].sum()
    )
    equal = Population(codes, share, results.models[0].classes)
    better = np.sign(_merit(codes[:, :width], equal.classes) - _merit(codes[:, width:], equal.classes))
    own = np.where(codes[:, 0] == 0, 1.0, -1.0)
    return _tilt(replace(equal, share=share * (1 + unlike * own * better)), better, difference)


def _tilt(equal: Population, better: Floats, difference: float) -> Population | None:
    """Prefer pairs that favour the candidate until the difference is as wanted (bisection)."""

    def tilted(strength: float) -> Population:
        return replace(equal, share=equal.share * (1 + strength * better))

    return _bisect(tilted, -1.0, 1.0, difference)


def _nearest_equal(population: Population) -> Population:
    """Return models of the same F1, reweighted minimally (in Kullback-Leibler divergence, by the delta method)."""
    influence = population.influence() / np.abs(population.influence()).max()

    def tilted(strength: float) -> Population:
        share = population.share * np.exp(strength * influence)
        return replace(population, share=share / share.sum())

    tilt = _bisect(tilted, -30.0, 0.0, 0.0)
    assert tilt is not None, "a gain can be tilted away"
    return tilt


def _bisect(make: Callable[[float], Population], low: float, high: float, difference: float) -> Population | None:
    """Return the population with the wanted difference, which grows with the argument of `make`."""
    if not make(low).difference <= difference <= make(high).difference:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if make(middle).difference < difference else (low, middle)
    return make((low + high) / 2)


def _merit(codes: Ints, classes: int | None) -> Floats:
    """Return the score of a model on each row: right or wrong, or the F1 of the row's entities."""
    if classes is not None:
        return np.asarray(codes[:, 0] == codes[:, 1], dtype=np.float64)
    right, total = 2 * codes[:, 0], 2 * codes[:, 0] + codes[:, 1] + codes[:, 2]
    return np.asarray(np.divide(right, total, out=np.ones(len(codes)), where=total > 0), dtype=np.float64)


def _f1(sums: Floats) -> float:
    """Return the mean F1 over the classes, from true positives, false positives and false negatives: 3 x classes."""
    return float((2 * sums[0] / (2 * sums[0] + sums[1] + sums[2])).mean())


def _influence(tally: Floats, share: Floats) -> Floats:
    """Return the influence of a row of each kind on F1."""
    sums = np.tensordot(share, tally, axes=1)
    total = 2 * sums[0] + sums[1] + sums[2]
    rows = 2 * tally[:, 0] + tally[:, 1] + tally[:, 2]
    influence: Floats = ((2 * tally[:, 0] * total - 2 * sums[0] * rows) / total**2).mean(axis=1)
    return influence
