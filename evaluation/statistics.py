"""Bootstrap tests on F1: intervals, a slice against the whole, a class against the mean of all.

A replica draws as many rows as there are, with replacement. F1 depends on a row only through a few
integers, and many rows share the same ones, so that a replica is one draw of a multinomial over the
distinct rows: the same distribution as drawing rows one by one, at a fraction of the work.

Where rows come in clusters, a replica draws whole clusters, as many as there are (Field & Welsh 2007, "Bootstrapping
clustered data"). Percentiles of few clusters show less spread than there is, so they are taken further out: by the
quantile of t with clusters - 1 degrees of freedom, times the root of clusters / (clusters - 1) (Hesterberg 2015, "What
teachers should know about the bootstrap", expanded percentiles; for clusters Cameron, Gelbach & Miller 2008).
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.stats import norm
from scipy.stats import t as student

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

REPLICAS = 2000
SEED = 13
CELLS_A_CHUNK = 1_000_000
LARGEST = 2**62


@dataclass(frozen=True)
class Outcomes:
    """What a model made of each row, reduced to what its F1 depends on.

    `codes` is rows x 2 (gold class, predicted class; macro-F1 over `classes`). Where `classes` is None, it holds true
    positives, false positives and false negatives: rows x 3 of entities (micro-F1), or of several classes one behind
    the other.
    `clusters` numbers the cluster of each row from 0; None where the rows are independent of each other.
    """

    codes: Ints
    classes: int | None = None
    clusters: Ints | None = None

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def size(self) -> int:
        """Number of clusters, the independent draws that these rows are."""
        return len(self) if self.clusters is None else int(self.clusters.max(initial=-1)) + 1

    @property
    def count(self) -> str:
        """The sample in words: 1,200 rows in 240 clusters."""
        return sample_size(len(self), None if self.clusters is None else self.size)

    @property
    def informative(self) -> int:
        """Number of clusters with anything that F1 counts."""
        units = self.by_cluster()
        return int((units.tally(units.codes) > 0).any(axis=(1, 2)).sum())

    def tally(self, codes: Ints) -> Floats:
        """True positives, false positives and false negatives of some rows of `codes`: rows x 3 x classes."""
        if self.classes is None:
            return codes.reshape(len(codes), 3, -1).astype(np.float64)
        gold, predicted = (np.eye(self.classes)[codes[:, column]] for column in (0, 1))
        both = gold * predicted
        return np.stack([both, predicted - both, gold - both], axis=1)

    def f1(self) -> float:
        """F1 of these rows; not a number where no row holds anything to find."""
        distinct, place = distinct_rows(self.codes)
        return float(mean_f1(np.tensordot(np.bincount(place), self.tally(distinct), axes=1)))

    def by_cluster(self, member: Bools | None = None) -> "Outcomes":
        """One row for each cluster, with the sums of its rows (of those that are `member`)."""
        if self.clusters is None and member is None:
            return self
        distinct, place = distinct_rows(self.codes)
        clusters = np.arange(len(self)) if self.clusters is None else self.clusters
        counted = np.ones(len(self)) if member is None else member.astype(np.float64)
        counts = coo_array((counted, (clusters, place)), shape=(self.size, len(distinct))).tocsr()
        return Outcomes((counts @ self.tally(distinct).reshape(len(distinct), -1)).astype(np.int64))

    def perfect(self) -> Ints:
        """Codes of a model that gets every one of these rows right."""
        if self.classes is not None:
            return self.codes[:, [0, 0]]
        return np.stack([self.codes[:, 0] + self.codes[:, 2], *np.zeros_like(self.codes[:, :2].T)], axis=1)

    def all_wrong(self) -> Ints:
        """Codes of a model that gets every one of these rows wrong: the next class, or a false entity for each."""
        if self.classes is not None:
            return np.stack([self.codes[:, 0], (self.codes[:, 0] + 1) % self.classes], axis=1)
        entities = self.codes[:, 0] + self.codes[:, 2]
        return np.stack([np.zeros_like(entities), np.maximum(entities, 1), entities], axis=1)

    def of_class(self, code: int) -> "Outcomes":
        """One class against all others, over the same rows: its F1 counts the rows wrongly put into it, too."""
        return Outcomes(self.tally(self.codes)[:, :, code].astype(np.int64), clusters=self.clusters)


def class_outcomes(
    gold: Sequence[str],
    predicted: Sequence[str],
    classes: Sequence[str],
    clusters: Sequence[Hashable] | None = None,
) -> Outcomes:
    """Outcomes of a sentence head. Every gold and predicted class must be among `classes`."""
    index = {label: code for code, label in enumerate(classes)}
    pairs = [(index[truth], index[answer]) for truth, answer in zip(gold, predicted, strict=True)]
    return Outcomes(np.array(pairs, dtype=np.int64).reshape(-1, 2), len(classes), cluster_codes(clusters))


def entity_outcomes(counts: Sequence[tuple[int, int, int]], clusters: Sequence[Hashable] | None = None) -> Outcomes:
    """Outcomes of a token head from (true positives, false positives, false negatives) of each row."""
    return Outcomes(np.array(counts, dtype=np.int64).reshape(-1, 3), clusters=cluster_codes(clusters))


def cluster_codes(clusters: Sequence[Hashable] | None) -> Ints | None:
    """Number clusters from 0 in the order of their first rows; None where each row is one of its own."""
    if clusters is None:
        return None
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    if len(numbers) == len(clusters):
        return None
    return np.array([numbers[name] for name in clusters], dtype=np.int64)


def sample_size(rows: int, clusters: int | None) -> str:
    """1,200 rows in 240 clusters; without clusters 1,200 rows."""
    return f"{rows:,} rows" if clusters is None else f"{rows:,} rows in {clusters:,} clusters"


@dataclass(frozen=True)
class Interval:
    """A figure and its two-sided percentile interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} (95 % interval {self.low:.3f}-{self.high:.3f})"


def f1_interval(outcomes: Outcomes, *, replicas: int = REPLICAS, seed: int = SEED) -> Interval:
    """F1 with its 95 % percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13)."""
    units = outcomes.by_cluster()
    drawn = _bootstrap(units.codes, lambda codes: units.tally(codes)[:, None], replicas, seed)[:, 0]
    clusters = None if outcomes.clusters is None else units.informative
    if clusters == 1:
        return Interval(outcomes.f1(), 0.0, 1.0)  # one draw shows no spread at all
    low, high = _quantiles(drawn, *(_expanded(level, clusters) for level in (0.025, 0.975)))
    return Interval(outcomes.f1(), low, high)


def slice_p_value(
    outcomes: Outcomes, member: Bools, min_ratio: float, *, replicas: int = REPLICAS, seed: int = SEED
) -> float:
    """p-value of the null hypothesis that a slice keeps at least `min_ratio` of the F1 of all rows.

    Whole and slice are drawn together, since the slice's rows are part of the whole (bootstrap test by
    inverting the percentile interval, Efron & Tibshirani 1993, section 16.4). A small value says that the
    shortfall is more than chance.

    Args:
        outcomes: of all rows.
        member: for each row, whether it belongs to the slice.
        min_ratio: the ratio slice F1 / whole F1 that must be kept.
        replicas: bootstrap samples.
        seed: of the draws.
    """
    if outcomes.clusters is not None:
        whole, part = outcomes.by_cluster(), outcomes.by_cluster(member)
        both = _bootstrap(
            np.hstack([whole.codes, part.codes]),
            lambda codes: np.stack([whole.tally(half) for half in np.hsplit(codes, 2)], axis=1),
            replicas,
            seed,
        )
        return _for_clusters(_p_value(both[:, 1] < min_ratio * both[:, 0]), part.informative)

    def tally(codes: Ints) -> Floats:
        whole = outcomes.tally(codes[:, :-1])
        return np.stack([whole, whole * codes[:, -1, None, None]], axis=1)

    drawn = _bootstrap(np.column_stack([outcomes.codes, member.astype(np.int64)]), tally, replicas, seed)
    return _p_value(drawn[:, 1] < min_ratio * drawn[:, 0])


def class_p_value(
    outcomes: Outcomes, code: int, min_ratio: float, *, replicas: int = REPLICAS, seed: int = SEED
) -> float:
    """p-value of the null hypothesis that a class keeps at least `min_ratio` of the macro-F1 of all classes.

    Args:
        outcomes: of all rows, of a sentence head.
        code: the class.
        min_ratio: the ratio F1 of the class / macro-F1 that must be kept.
        replicas: bootstrap samples.
        seed: of the draws.
    """
    units = outcomes.by_cluster()

    def tally(codes: Ints) -> Floats:
        whole = units.tally(codes)
        # The mean leaves out classes without gold rows, so that with the others emptied it is the F1 of this one.
        return np.stack([whole, whole * (np.arange(whole.shape[-1]) == code)], axis=1)

    drawn = _bootstrap(units.codes, tally, replicas, seed)
    p_value = _p_value(drawn[:, 1] < min_ratio * drawn[:, 0])
    return p_value if outcomes.clusters is None else _for_clusters(p_value, outcomes.of_class(code).informative)


def distinct_rows(codes: Ints) -> tuple[Ints, Ints]:
    """Distinct rows of codes, in order, and for each row which of them it is.

    One number a row is sorted, in a twentieth of the time of `np.unique(codes, axis=0)`, which compares row by row.
    """
    spans = tuple(int(largest) + 1 for largest in codes.max(axis=0, initial=0))
    if prod(spans) > LARGEST:
        rows, place = np.unique(codes, axis=0, return_inverse=True)
        return rows, place.ravel()
    numbers, place = np.unique(np.ravel_multi_index(tuple(codes.T), spans), return_inverse=True)
    return np.stack(np.unravel_index(numbers, spans), axis=1).astype(np.int64), place


def mean_f1(sums: Floats) -> Floats:
    """Mean F1 over the classes that have gold rows: ... x 3 x classes to ...

    Two models on the same rows are thus averaged over the same classes. With one class it is micro-F1.
    """
    true, false, missed = sums[..., 0, :], sums[..., 1, :], sums[..., 2, :]
    present = true + missed > 0
    parts = np.divide(2 * true, 2 * true + false + missed, out=np.zeros_like(true), where=present)
    classes = present.sum(axis=-1)
    mean: Floats = np.divide(parts.sum(axis=-1), classes, out=np.full(classes.shape, np.nan), where=classes > 0)
    return mean


def draw_f1(tallies: Floats, share: Floats, rows: int, replicas: int, seed: int) -> Floats:
    """F1 of test sets that are drawn at random.

    Args:
        tallies: of each distinct row: distinct rows x parts x 3 x classes.
        share: how often each comes, 1 together.
        rows: of a test set.
        replicas: test sets.
        seed: of the draws.

    Returns:
        replicas x parts.
    """
    return np.concatenate([drawn for _, drawn in draw_sets(tallies, share, rows, replicas, seed)])


def draw_sets(tallies: Floats, share: Floats, rows: int, replicas: int, seed: int) -> Iterator[tuple[Ints, Floats]]:
    """Draw as `draw_f1`, some test sets at a time: how often each row came (sets x distinct rows), and their F1."""
    flat = tallies.reshape(len(tallies), -1)
    chunk = max(1, CELLS_A_CHUNK // max(flat.shape))
    random = np.random.default_rng(seed)
    for begin in range(0, replicas, chunk):
        size = min(chunk, replicas - begin)
        counts = random.multinomial(rows, share, size=size)
        yield counts, mean_f1((counts @ flat).reshape(size, *tallies.shape[1:]))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for testing several hypotheses at once (Holm 1979, step-down), in the order given."""
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return [float(value) for value in np.minimum(adjusted, 1.0)]


def _bootstrap(codes: Ints, tally: Callable[[Ints], Floats], replicas: int, seed: int) -> Floats:
    """F1 of every replica: replicas x parts, where `tally` gives rows x parts x 3 x classes."""
    if not len(codes):
        raise ValueError("a bootstrap needs at least one row")
    distinct, place = distinct_rows(codes)
    return draw_f1(tally(distinct), np.bincount(place) / len(codes), len(codes), replicas, seed)


def _expanded(level: float, clusters: int | None) -> float:
    """Level of the percentile that few clusters need; None leaves it."""
    if clusters is None:
        return level
    return float(norm.cdf(student.ppf(level, clusters - 1) * sqrt(clusters / (clusters - 1))))


def _for_clusters(p_value: float, clusters: int) -> float:
    """Turn a p-value of percentiles into that of the expanded ones; one cluster shows nothing."""
    if clusters < 2:
        return 1.0
    return float(student.cdf(norm.ppf(p_value) * sqrt((clusters - 1) / clusters), clusters - 1))


def _quantiles(drawn: Floats, *levels: float) -> list[float]:
    """Quantiles of the replicas in which the figure exists."""
    finite = drawn[np.isfinite(drawn)]
    return [float(value) for value in np.quantile(finite, levels)] if len(finite) else [float("nan")] * len(levels)


def _p_value(against: Bools) -> float:
    """Share of replicas that do not speak against the null hypothesis; never 0 (Davison & Hinkley 1997, 4.11)."""
    return float((1 + np.count_nonzero(~against)) / (1 + len(against)))
