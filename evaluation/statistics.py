"""Bootstrap tests on F1: intervals, a slice against all rows, a class against the mean of all classes.

A replica draws as many rows as there are, with replacement. F1 depends on a row only through a few
integers, and many rows share the same ones, so that a replica is one draw of a multinomial over the
distinct rows: the same distribution as drawing rows one by one, in a fraction of the time.

If rows come in clusters, a replica draws whole clusters, as many as there are (Field & Welsh 2007, "Bootstrapping
clustered data"). Percentiles of few clusters understate the spread and are therefore expanded: by the quantile of t
with clusters - 1 degrees of freedom, times the root of clusters / (clusters - 1) (Hesterberg 2015, "What teachers
should know about the bootstrap", expanded percentiles; for clusters Cameron, Gelbach & Miller 2008).
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

REPLICAS = 2000
SEED = 13
CELLS_PER_CHUNK = 1_000_000
LARGEST = 2**62


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of a model per row, reduced to the integers that its F1 depends on.

    `codes` is rows x 2 (gold class, predicted class; macro-F1 over `classes`). If `classes` is None, it holds true
    positives, false positives and false negatives: rows x 3 of entities (micro-F1), or the same for several classes or
    row labels side by side (macro-F1). `clusters` is the cluster number of each row from 0; None if the rows are
    independent of each other.
    """

    codes: Ints
    classes: int | None = None
    clusters: Ints | None = None

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def size(self) -> int:
        """Return the number of clusters: the number of independent draws."""
        return len(self) if self.clusters is None else int(self.clusters.max(initial=-1)) + 1

    @property
    def count(self) -> str:
        """Return the sample size as text: 1,200 rows in 240 clusters."""
        return sample_size(len(self), None if self.clusters is None else self.size)

    @property
    def informative(self) -> int:
        """Return the number of clusters that contribute to F1."""
        grouped = self.by_cluster()
        return int((grouped.tally(grouped.codes) > 0).any(axis=(1, 2)).sum())

    def tally(self, codes: Ints) -> Floats:
        """Return true positives, false positives and false negatives of rows of `codes`: rows x 3 x classes."""
        if self.classes is None:
            return codes.reshape(len(codes), 3, -1).astype(np.float64)
        gold, predicted = (np.eye(self.classes)[codes[:, column]] for column in (0, 1))
        correct = gold * predicted
        return np.stack([correct, predicted - correct, gold - correct], axis=1)

    def f1(self) -> float:
        """Return the F1 of these rows; NaN if no row has a gold label."""
        distinct, place = distinct_rows(self.codes)
        return float(mean_f1(np.tensordot(np.bincount(place), self.tally(distinct), axes=1)))

    def by_cluster(self, member: Bools | None = None) -> "Outcomes":
        """Return one row per cluster, with the sums of its rows (of its rows in `member`, if given)."""
        if self.clusters is None and member is None:
            return self
        distinct, place = distinct_rows(self.codes)
        clusters = np.arange(len(self)) if self.clusters is None else self.clusters
        weights = np.ones(len(self)) if member is None else member.astype(np.float64)
        counts = coo_array((weights, (clusters, place)), shape=(self.size, len(distinct))).tocsr()
        return Outcomes(np.asarray(counts @ self.tally(distinct).reshape(len(distinct), -1)).astype(np.int64))

    def perfect(self) -> Ints:
        """Return the codes of a model that predicts every row correctly."""
        if self.classes is not None:
            return self.codes[:, [0, 0]]
        true, false, missed = self.codes.reshape(len(self.codes), 3, -1).swapaxes(0, 1)
        return np.hstack([true + missed, np.zeros_like(false), np.zeros_like(missed)])

    def all_wrong(self) -> Ints:
        """Return the codes of a model that predicts every row wrongly: the next class, or false entities or labels."""
        if self.classes is not None:
            return np.stack([self.codes[:, 0], (self.codes[:, 0] + 1) % self.classes], axis=1)
        true, _, missed = self.codes.reshape(len(self.codes), 3, -1).swapaxes(0, 1)
        gold = true + missed
        # A false entity may stand beside any number of missed ones, but a label that is missed is not false as well.
        false = np.maximum(gold, 1) if gold.shape[1] == 1 else (gold == 0).astype(gold.dtype)
        return np.hstack([np.zeros_like(gold), false, gold])

    def of_class(self, code: int) -> "Outcomes":
        """Return the outcomes of one class against all others; its F1 counts rows wrongly predicted as it, too."""
        return Outcomes(self.tally(self.codes)[:, :, code].astype(np.int64), clusters=self.clusters)


def class_outcomes(
    gold: Sequence[str],
    predicted: Sequence[str],
    classes: Sequence[str],
    clusters: Sequence[Hashable] | None = None,
) -> Outcomes:
    """Return the outcomes of a sentence head. All gold and predicted classes must be in `classes`."""
    index = {label: code for code, label in enumerate(classes)}
    pairs = [(index[truth], index[prediction]) for truth, prediction in zip(gold, predicted, strict=True)]
    return Outcomes(np.array(pairs, dtype=np.int64).reshape(-1, 2), len(classes), cluster_codes(clusters))


def entity_outcomes(counts: Sequence[tuple[int, int, int]], clusters: Sequence[Hashable] | None = None) -> Outcomes:
    """Return the outcomes of a token head from (true positives, false positives, false negatives) per row."""
    return Outcomes(np.array(counts, dtype=np.int64).reshape(-1, 3), clusters=cluster_codes(clusters))


def label_outcomes(
    gold: Sequence[Collection[str]],
    predicted: Sequence[Collection[str]],
    names: Sequence[str],
    clusters: Sequence[Hashable] | None = None,
) -> Outcomes:
    """Return the outcomes of a labels head. All gold and predicted labels must be in `names`."""
    index = {name: number for number, name in enumerate(names)}
    shape = (len(gold), max(1, len(names)))
    truth, prediction = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for table, rows in ((truth, gold), (prediction, predicted)):
        for row, labels in enumerate(rows):
            table[row, [index[name] for name in labels]] = 1
    codes = np.hstack([truth & prediction, prediction & ~truth, truth & ~prediction])
    return Outcomes(codes, clusters=cluster_codes(clusters))


def cluster_codes(clusters: Sequence[Hashable] | None) -> Ints | None:
    """Number clusters from 0 in the order of their first rows; return None if each row is its own cluster."""
    if clusters is None:
        return None
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    if len(numbers) == len(clusters):
        return None
    return np.array([numbers[name] for name in clusters], dtype=np.int64)


def sample_size(rows: int, clusters: int | None) -> str:
    """Return a sample size as text: 1,200 rows in 240 clusters, or 1,200 rows without clusters."""
    return f"{rows:,} rows" if clusters is None else f"{rows:,} rows in {clusters:,} clusters"


@dataclass(frozen=True)
class Interval:
    """A metric and its two-sided percentile interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} (95 % interval {self.low:.3f}-{self.high:.3f})"


def f1_interval(outcomes: Outcomes, *, replicas: int = REPLICAS, seed: int = SEED) -> Interval:
    """Return F1 with its 95 % percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13)."""
    grouped = outcomes.by_cluster()
    drawn = _bootstrap(grouped.codes, lambda codes: grouped.tally(codes)[:, None], replicas, seed)[:, 0]
    clusters = None if outcomes.clusters is None else grouped.informative
    if clusters == 1:
        return Interval(outcomes.f1(), 0.0, 1.0)  # one cluster shows no spread
    low, high = _quantiles(drawn, *(_expanded(level, clusters) for level in (0.025, 0.975)))
    return Interval(outcomes.f1(), low, high)


def slice_p_value(
    outcomes: Outcomes, member: Bools, min_ratio: float, *, replicas: int = REPLICAS, seed: int = SEED
) -> float:
    """Return the p-value of the null hypothesis that a slice keeps at least `min_ratio` of the F1 of all rows.

    All rows and the slice are drawn together, since the slice is part of all rows (bootstrap test by inverting the
    percentile interval, Efron & Tibshirani 1993, section 16.4). A small value means that the gap is more than chance.

    Args:
        outcomes: outcomes of all rows.
        member: mask of the rows of the slice.
        min_ratio: minimum ratio of the F1 of the slice to the F1 of all rows.
        replicas: number of bootstrap samples.
        seed: seed of the draws.
    """
    if outcomes.clusters is not None:
        whole, part = outcomes.by_cluster(), outcomes.by_cluster(member)
        drawn_f1 = _bootstrap(
            np.hstack([whole.codes, part.codes]),
            lambda codes: np.stack([whole.tally(half) for half in np.hsplit(codes, 2)], axis=1),
            replicas,
            seed,
        )
        return _for_clusters(_p_value(drawn_f1[:, 1] < min_ratio * drawn_f1[:, 0]), part.informative)

    def tally(codes: Ints) -> Floats:
        whole = outcomes.tally(codes[:, :-1])
        return np.stack([whole, whole * codes[:, -1, None, None]], axis=1)

    drawn = _bootstrap(np.column_stack([outcomes.codes, member.astype(np.int64)]), tally, replicas, seed)
    return _p_value(drawn[:, 1] < min_ratio * drawn[:, 0])


def class_p_value(
    outcomes: Outcomes, code: int, min_ratio: float, *, replicas: int = REPLICAS, seed: int = SEED
) -> float:
    """Return the p-value of the null hypothesis that a class keeps at least `min_ratio` of the macro-F1.

    Args:
        outcomes: outcomes of all rows, of a sentence head.
        code: number of the class.
        min_ratio: minimum ratio of the F1 of the class to the macro-F1.
        replicas: number of bootstrap samples.
        seed: seed of the draws.
    """
    grouped = outcomes.by_cluster()

    def tally(codes: Ints) -> Floats:
        whole = grouped.tally(codes)
        # The mean leaves out classes without gold rows: with all others set to 0, it is the F1 of this class.
        return np.stack([whole, whole * (np.arange(whole.shape[-1]) == code)], axis=1)

    drawn = _bootstrap(grouped.codes, tally, replicas, seed)
    p_value = _p_value(drawn[:, 1] < min_ratio * drawn[:, 0])
    return p_value if outcomes.clusters is None else _for_clusters(p_value, outcomes.of_class(code).informative)


def distinct_rows(codes: Ints) -> tuple[Ints, Ints]:
    """Return the distinct rows of codes in order, and the index of the distinct row of each row.

    Rows are sorted as one number each, in a twentieth of the time of `np.unique(codes, axis=0)`, which compares rows.
    """
    spans = tuple(int(largest) + 1 for largest in codes.max(axis=0, initial=0))
    if prod(spans) > LARGEST:
        rows, place = np.unique(codes, axis=0, return_inverse=True)
        return rows, place.ravel()
    numbers, place = np.unique(np.ravel_multi_index(tuple(codes.T), spans), return_inverse=True)
    return np.stack(np.unravel_index(numbers, spans), axis=1).astype(np.int64), place


def mean_f1(sums: Floats) -> Floats:
    """Return the mean F1 over the classes that have gold rows: from (..., 3, classes) to (...).

    Two models on the same rows are thus averaged over the same classes. With one class it is micro-F1.
    """
    true, false, missed = sums[..., 0, :], sums[..., 1, :], sums[..., 2, :]
    present = true + missed > 0
    parts = np.divide(2 * true, 2 * true + false + missed, out=np.zeros_like(true), where=present)
    classes = present.sum(axis=-1)
    mean: Floats = np.divide(parts.sum(axis=-1), classes, out=np.full(classes.shape, np.nan), where=classes > 0)
    return mean


def draw_f1(tallies: Floats, share: Floats, rows: int, replicas: int, seed: int) -> Floats:
    """Draw random test sets and return their F1.

    Args:
        tallies: counts of each distinct row, distinct rows x parts x 3 x classes.
        share: probability of each distinct row; the sum is 1.
        rows: number of rows per test set.
        replicas: number of test sets.
        seed: seed of the draws.

    Returns:
        F1 of each test set and part, replicas x parts.
    """
    return np.concatenate([drawn for _, drawn in draw_sets(tallies, share, rows, replicas, seed)])


def draw_sets(tallies: Floats, share: Floats, rows: int, replicas: int, seed: int) -> Iterator[tuple[Ints, Floats]]:
    """Yield chunks of the test sets of `draw_f1`: counts of each row (sets x distinct rows) and F1."""
    flat = tallies.reshape(len(tallies), -1)
    chunk = max(1, CELLS_PER_CHUNK // max(flat.shape))
    random = np.random.default_rng(seed)
    for begin in range(0, replicas, chunk):
        size = min(chunk, replicas - begin)
        counts = random.multinomial(rows, share, size=size)
        yield counts, mean_f1((counts @ flat).reshape(size, *tallies.shape[1:]))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for multiple testing (Holm 1979, step-down), in the given order."""
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return [float(value) for value in np.minimum(adjusted, 1.0)]


def _bootstrap(codes: Ints, tally: Callable[[Ints], Floats], replicas: int, seed: int) -> Floats:
    """Return the F1 of every replica, replicas x parts; `tally` returns rows x parts x 3 x classes."""
    if not len(codes):
        raise ValueError("a bootstrap needs at least one row")
    distinct, place = distinct_rows(codes)
    return draw_f1(tally(distinct), np.bincount(place) / len(codes), len(codes), replicas, seed)


def _expanded(level: float, clusters: int | None) -> float:
    """Return the expanded level of a percentile; with clusters None, the level itself."""
    if clusters is None:
        return level
    from scipy.stats import norm  # takes a second to import
    from scipy.stats import t as student

    return float(norm.cdf(student.ppf(level, clusters - 1) * sqrt(clusters / (clusters - 1))))


def _for_clusters(p_value: float, clusters: int) -> float:
    """Convert a p-value of percentiles to that of expanded percentiles; with one cluster it is 1."""
    if clusters < 2:
        return 1.0
    from scipy.stats import norm
    from scipy.stats import t as student

    return float(student.cdf(norm.ppf(p_value) * sqrt((clusters - 1) / clusters), clusters - 1))


def _quantiles(drawn: Floats, *levels: float) -> list[float]:
    """Return quantiles of the replicas in which F1 is defined."""
    finite = drawn[np.isfinite(drawn)]
    return [float(value) for value in np.quantile(finite, levels)] if len(finite) else [float("nan")] * len(levels)


def _p_value(against: Bools) -> float:
    """Return the share of replicas that agree with the null hypothesis; never 0 (Davison & Hinkley 1997, 4.11)."""
    return float((1 + np.count_nonzero(~against)) / (1 + len(against)))
