"""Two samples of rows: how far apart they are, and whether chance explains it.

The tests are scipy's and the classifier scikit-learn's. Libraries made for drift were looked at and left out: evidently
brings 26 packages, a web framework and telemetry; nannyml brings two libraries of boosted trees and telemetry;
alibi-detect needs numpy 1, and its licence is no open one. None of them corrects for the number of tests.

Every effect lies between 0 (the same) and 1 and does not grow with the number of rows; every p-value is that of the
hypothesis that both samples come from one distribution. Rows of one cluster (document, group) are no independent draws:
where clusters hold several rows, p-values come from exchanging whole clusters, or from drawing them anew where those of
one sample are much larger (`cluster_bootstrap`); effects stay those of the rows.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import ks_2samp, mannwhitneyu, rankdata
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from assay.evaluation.drift.cluster_bootstrap import Estimates, bootstrap_p_value, ratio
from assay.evaluation.drift.clusters import PERMUTATIONS, Clusters
from assay.evaluation.drift.vocabulary import words
from assay.evaluation.statistics import REPLICAS, SEED, Bools, Floats, Outcomes, distinct_rows, draw_f1, mean_f1

MOST_WORDS = 20_000
TELLING_WORDS = 12
GRID = 201  # values at which cumulative distributions are compared where clusters are drawn anew


@dataclass(frozen=True)
class SampleComparison:
    """How far apart two samples are. `telling` names what sets the second one apart, if anything has a name."""

    effect: float
    p_value: float
    telling: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Exchange:
    """How clusters change places: the seed of halves and permutations, and how many permutations."""

    seed: int = SEED
    permutations: int = PERMUTATIONS


DEFAULT = Exchange()
Statistic = Callable[[Bools], Floats]


def compare_numbers(
    reference: Floats, window: Floats, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare by the largest distance of the cumulative distributions (Kolmogorov-Smirnov).

    Ties make the test cautious, so that it serves counts, too.

    Args:
        reference: a number per row.
        window: the same.
        clusters: of the rows; None: each row is one.
        exchange: of whole clusters, where they hold several rows.
    """
    result = ks_2samp(reference, window, method="asymp")
    measured = float(result.statistic)
    if clusters is None or clusters.all_single:
        return SampleComparison(measured, float(result.pvalue))
    values = np.concatenate([reference, window])
    order = np.argsort(values, kind="stable")
    if clusters.uneven:
        return SampleComparison(measured, _numbers_p_value(values, clusters, exchange))
    codes, last = clusters.codes[order], np.append(np.diff(values[order]) > 0, True)
    position = np.flatnonzero(last) + 1  # rows up to each value

    def distance(members: Bools) -> Floats:
        later = np.cumsum(members[:, codes], axis=1, dtype=np.int32)[:, last]
        rows = later[:, -1:]
        earlier = len(values) - rows
        found: Floats = np.abs(later * (1 / rows + 1 / earlier) - position / earlier).max(axis=1)
        return found

    return SampleComparison(measured, _p_value(clusters, distance, measured, exchange, cells=len(values)))


def compare_shares(
    reference: Floats, window: Floats, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare by the total variation distance of two distributions over classes, and its permutation test.

    Whole rows change places: entities of one text resemble each other, and are no independent draws.

    Args:
        reference: rows x classes: how often each class comes in a row.
        window: the same.
        clusters: of the rows; None: each row is one.
        exchange: of whole clusters.
    """
    clusters = clusters or Clusters.single(len(reference), len(window))
    measured = float(_variation(reference.sum(axis=0), window.sum(axis=0)))
    counts = clusters.sums(np.concatenate([reference, window]))
    total = counts.sum(axis=0)
    if clusters.uneven:
        by_sample = [ratio(part, part.sum(axis=1)) for part in (counts[~clusters.window], counts[clusters.window])]
        estimates = Estimates(by_sample, lambda apart: np.abs(apart).sum(axis=1) / 2)
        return SampleComparison(measured, _drawn_p_value(clusters, estimates, measured, exchange))

    def variation(members: Bools) -> Floats:
        drawn = members @ counts
        return _variation(total - drawn, drawn)

    return SampleComparison(measured, _p_value(clusters, variation, measured, exchange))


def compare_texts(
    reference: Sequence[str], window: Sequence[str], clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare by whether a classifier can tell the texts apart by their words.

    Args:
        reference: texts.
        window: texts.
        clusters: of the rows; None: each row is one.
        exchange: of whole clusters, and of the halves.
    """
    clusters = clusters or Clusters.single(len(reference), len(window))
    texts = [*reference, *window]
    run_training = _half(clusters, exchange.seed)
    vectorizer = TfidfVectorizer(analyzer=words, sublinear_tf=True, max_features=MOST_WORDS)
    own = [text for text, one in zip(texts, run_training, strict=True) if one]
    if not any(map(words, own)):
        return SampleComparison(0.0, 1.0)
    vectorizer.fit(own)
    comparison, weights = _tell_apart(vectorizer.transform(texts), clusters, run_training, exchange)
    heavy = vectorizer.get_feature_names_out()[np.argsort(-weights)]
    named = [str(word) for word in heavy if re.match(r"\w", word)]
    return SampleComparison(comparison.effect, comparison.p_value, named[:TELLING_WORDS])


def compare_vectors(
    reference: Floats, window: Floats, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare by whether a classifier can tell the vectors apart.

    Args:
        reference: rows x width.
        window: the same.
        clusters: of the rows; None: each row is one.
        exchange: of whole clusters, and of the halves.
    """
    clusters = clusters or Clusters.single(len(reference), len(window))
    vectors = np.concatenate([reference, window])
    run_training = _half(clusters, exchange.seed)
    scaled = StandardScaler().fit(vectors[run_training]).transform(vectors)
    return _tell_apart(scaled, clusters, run_training, exchange)[0]


def compare_f1(
    reference: Outcomes, window: Outcomes, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare by the fall of F1 from the reference to the window.

    The test that there is none draws rows anew (bootstrap), or exchanges clusters where these hold several rows.

    Args:
        reference: outcomes per row.
        window: the same.
        clusters: of the rows; None: each row is one.
        exchange: of whole clusters; its seed is that of the bootstrap, too.
    """
    fall = reference.f1() - window.f1()
    if clusters is None or clusters.all_single:
        before, now = (_replicas(one, exchange.seed + number) for number, one in enumerate((reference, window)))
        against = np.count_nonzero(now < before)
        return SampleComparison(max(0.0, fall), float((1 + len(now) - against) / (1 + len(now))))
    tallies = np.concatenate([one.tally(one.codes) for one in (reference, window)])
    sums = clusters.sums(tallies)
    flat, total = sums.reshape(len(sums), -1), sums.sum(axis=0)
    if clusters.uneven:
        by_sample = [_f1_of(sums[~clusters.window]), _f1_of(sums[clusters.window])]
        estimates = Estimates(by_sample, lambda apart: -apart[:, 0])
        return SampleComparison(max(0.0, fall), _drawn_p_value(clusters, estimates, fall, exchange))

    def falls(members: Bools) -> Floats:
        drawn = (members @ flat).reshape(-1, *total.shape)
        # Where a permuted sample holds nothing to find, nothing speaks against chance.
        found: Floats = np.nan_to_num(mean_f1(total - drawn) - mean_f1(drawn), nan=np.inf)
        return found

    return SampleComparison(max(0.0, fall), _p_value(clusters, falls, fall, exchange))


def _p_value(clusters: Clusters, statistic: Statistic, measured: float, exchange: Exchange, cells: int = 0) -> float:
    return clusters.p_value(statistic, measured, seed=exchange.seed, cells=cells, permutations=exchange.permutations)


def _drawn_p_value(
    clusters: Clusters, estimates: Estimates, measured: float, exchange: Exchange, cells: int = 0
) -> float:
    """As `_p_value`, for samples whose clusters differ in size."""
    draws, seed = exchange.permutations, exchange.seed
    return bootstrap_p_value(estimates, clusters.window, measured, seed=seed, draws=draws, cells=cells)


def _numbers_p_value(values: Floats, clusters: Clusters, exchange: Exchange) -> float:
    """The cumulative distributions of both samples at `GRID` quantiles of all rows, where clusters differ in size."""
    levels = np.unique(np.quantile(values, np.linspace(0, 1, GRID), method="inverted_cdf"))
    below = clusters.sums((values[:, None] <= levels).astype(np.float64))
    parts = (~clusters.window, clusters.window)
    estimates = Estimates(
        [ratio(below[part], clusters.sizes[part]) for part in parts], lambda apart: np.abs(apart).max(axis=1)
    )
    old, new = (below[part].sum(axis=0) / clusters.sizes[part].sum() for part in parts)
    measured = float(np.abs(new - old).max())
    return _drawn_p_value(clusters, estimates, measured, exchange, cells=GRID)


def _f1_of(sums: Floats) -> Callable[[Floats], Floats]:
    """F1 of the clusters that were drawn, from their tallies."""

    def estimate(drawn: Floats) -> Floats:
        return mean_f1((drawn @ sums.reshape(len(sums), -1)).reshape(-1, *sums.shape[1:]))[:, None]

    return estimate


def _replicas(outcomes: Outcomes, seed: int) -> Floats:
    distinct, place = distinct_rows(outcomes.codes)
    rows = len(place)
    return draw_f1(outcomes.tally(distinct)[:, None], np.bincount(place) / rows, rows, REPLICAS, seed)[:, 0]


def _variation(one: Floats, other: Floats) -> Floats:
    """Half the sum of the absolute differences of shares, over the last axis."""
    shares = [counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12) for counts in (one, other)]
    distance: Floats = np.abs(shares[0] - shares[1]).sum(axis=-1) / 2
    return distance


def _half(clusters: Clusters, seed: int) -> Bools:
    """Draw half of the clusters of each sample to learn from, as rows; the other half is tested."""
    run_training = np.zeros(len(clusters.window), dtype=np.bool_)
    draw = np.random.default_rng(seed)
    for window in (False, True):
        numbers = np.flatnonzero(clusters.window == window)
        run_training[draw.choice(numbers, len(numbers) // 2, replace=False)] = True
    return run_training[clusters.codes]


def _tell_apart(
    features: "Floats | csr_matrix", clusters: Clusters, run_training: Bools, exchange: Exchange
) -> tuple[SampleComparison, Floats]:
    """Classifier two-sample test (Lopez-Paz & Oquab 2017): its AUC on clusters that it has not seen, and its weights.

    Half of the clusters are held out in place of a cross-validation: scores of several models are not independent, and
    their p-value would be too small.
    """
    labels = clusters.rows
    model = LogisticRegression(class_weight="balanced", max_iter=300, tol=1e-3)
    model.fit(features[run_training], labels[run_training])
    scores, tested = model.decision_function(features[~run_training]), clusters.where(~run_training)
    result = mannwhitneyu(scores[tested.rows], scores[~tested.rows], alternative="greater")
    auc = float(result.statistic) / (np.count_nonzero(tested.rows) * np.count_nonzero(~tested.rows))
    p_value = float(result.pvalue) if clusters.all_single else _auc_p_value(scores, tested, auc, exchange)
    return SampleComparison(max(0.0, 2 * auc - 1), p_value), model.coef_[0]


def _auc_p_value(scores: Floats, clusters: Clusters, auc: float, exchange: Exchange) -> float:
    """Exchange whole clusters between the samples; the AUC follows from the sum of the ranks of their rows."""
    ranks, sizes = clusters.sums(rankdata(scores)), clusters.sizes
    if clusters.uneven:
        return _drawn_auc_p_value(scores, clusters, auc, exchange)

    def aucs(members: Bools) -> Floats:
        rows = members @ sizes
        found: Floats = (members @ ranks - rows * (rows + 1) / 2) / (rows * (len(scores) - rows))
        return found

    return _p_value(clusters, aucs, auc, exchange)


def _drawn_auc_p_value(scores: Floats, clusters: Clusters, auc: float, exchange: Exchange) -> float:
    """The AUC as a mean over each sample: share of the other that a row lies above or below (DeLong et al. 1988)."""
    later = clusters.rows
    above = np.zeros(len(scores))
    for sample in (later, ~later):
        own = rankdata(scores[sample])
        above[sample] = (rankdata(scores)[sample] - own) / np.count_nonzero(~sample)
    sums = clusters.sums(above[:, None])
    by_sample = [ratio(sums[part], clusters.sizes[part]) for part in (~clusters.window, clusters.window)]
    estimates = Estimates(by_sample, lambda apart: apart[:, 0])
    return _drawn_p_value(clusters, estimates, auc - 0.5, exchange)
