"""Two-sample tests: the effect and the p-value of the difference between two samples of rows.

The tests come from scipy and the classifier from scikit-learn. Drift libraries were evaluated and not chosen: evidently
brings 26 packages, a web framework and telemetry; nannyml brings two libraries of boosted trees and telemetry;
alibi-detect needs numpy 1, and its licence is not an open one. None of them corrects for the number of tests.

Every effect lies between 0 (identical) and 1 and does not grow with the number of rows. Every p-value belongs to the
null hypothesis that both samples come from one distribution. Rows of one cluster (document, group) are not independent
draws: if clusters hold several rows, p-values come from exchanging whole clusters, or from resampling them if those of
one sample are much larger (`cluster_bootstrap`). Effects are always those of the rows.
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
MOST_DISTINCTIVE_WORDS = 12
GRID = 201  # values at which cumulative distributions are compared if clusters are resampled


@dataclass(frozen=True)
class SampleComparison:
    """Effect and p-value of a difference. `distinctive_words` are the words most typical of the second sample."""

    effect: float
    p_value: float
    distinctive_words: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Exchange:
    """Settings of the exchange of clusters: seed of halves and permutations, number of permutations."""

    seed: int = SEED
    permutations: int = PERMUTATIONS


DEFAULT = Exchange()
Statistic = Callable[[Bools], Floats]


def compare_numbers(
    reference: Floats, window: Floats, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare numbers by the largest distance of their cumulative distributions (Kolmogorov-Smirnov).

    Ties make the test conservative, so that it is valid for counts, too.

    Args:
        reference: one number per row.
        window: one number per row.
        clusters: clusters of the rows; None makes each row its own cluster.
        exchange: settings of the exchange of clusters that hold several rows.
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
        window_counts = np.cumsum(members[:, codes], axis=1, dtype=np.int32)[:, last]
        window_rows = window_counts[:, -1:]
        reference_rows = len(values) - window_rows
        scaled = window_counts * (1 / window_rows + 1 / reference_rows)
        distances: Floats = np.abs(scaled - position / reference_rows).max(axis=1)
        return distances

    return SampleComparison(measured, _p_value(clusters, distance, measured, exchange, cells=len(values)))


def compare_shares(
    reference: Floats, window: Floats, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare class frequencies by the total variation distance and its permutation test.

    Whole rows are exchanged: entities of one text resemble each other and are not independent draws.

    Args:
        reference: counts of each class per row, rows x classes.
        window: counts of each class per row, rows x classes.
        clusters: clusters of the rows; None makes each row its own cluster.
        exchange: of whole clusters.
    """
    clusters = clusters or Clusters.single(len(reference), len(window))
    measured = float(_variation(reference.sum(axis=0), window.sum(axis=0)))
    counts = clusters.sums(np.concatenate([reference, window]))
    total = counts.sum(axis=0)
    if clusters.uneven:
        sample_estimates = [
            ratio(part, part.sum(axis=1)) for part in (counts[~clusters.window], counts[clusters.window])
        ]
        estimates = Estimates(sample_estimates, lambda deviation: np.abs(deviation).sum(axis=1) / 2)
        return SampleComparison(measured, _drawn_p_value(clusters, estimates, measured, exchange))

    def variation(members: Bools) -> Floats:
        in_window = members @ counts
        return _variation(total - in_window, in_window)

    return SampleComparison(measured, _p_value(clusters, variation, measured, exchange))


def compare_means(
    reference: Floats, window: Floats, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare numbers by the difference of their means, at most 1, and the bootstrap test of no difference.

    Args:
        reference: one number per row.
        window: one number per row.
        clusters: clusters of the rows; None makes each row its own cluster.
        exchange: settings of the bootstrap: its seed and number of draws.
    """
    clusters = clusters or Clusters.single(len(reference), len(window))
    measured = float(abs(window.mean() - reference.mean()))
    sums = clusters.sums(np.concatenate([reference, window])[:, None])
    parts = (~clusters.window, clusters.window)
    estimates = Estimates(
        [ratio(sums[part], clusters.sizes[part]) for part in parts], lambda deviation: np.abs(deviation[:, 0])
    )
    return SampleComparison(min(1.0, measured), _drawn_p_value(clusters, estimates, measured, exchange))


def compare_texts(
    reference: Sequence[str], window: Sequence[str], clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare texts by how well a classifier separates them by their words.

    Args:
        reference: texts.
        window: texts.
        clusters: clusters of the rows; None makes each row its own cluster.
        exchange: settings of the halves and of the exchange of clusters.
    """
    clusters = clusters or Clusters.single(len(reference), len(window))
    texts = [*reference, *window]
    fitted = _fitted_half(clusters, exchange.seed)
    vectorizer = TfidfVectorizer(analyzer=words, sublinear_tf=True, max_features=MOST_WORDS)
    fitted_texts = [text for text, is_fitted in zip(texts, fitted, strict=True) if is_fitted]
    if not any(map(words, fitted_texts)):
        return SampleComparison(0.0, 1.0)
    vectorizer.fit(fitted_texts)
    comparison, weights = _classify(vectorizer.transform(texts), clusters, fitted, exchange)
    by_weight = vectorizer.get_feature_names_out()[np.argsort(-weights)]
    distinctive = [str(word) for word in by_weight if re.match(r"\w", word)]
    return SampleComparison(comparison.effect, comparison.p_value, distinctive[:MOST_DISTINCTIVE_WORDS])


def compare_vectors(
    reference: Floats, window: Floats, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare vectors by how well a classifier separates them.

    Args:
        reference: vectors, rows x width.
        window: vectors, rows x width.
        clusters: clusters of the rows; None makes each row its own cluster.
        exchange: settings of the halves and of the exchange of clusters.
    """
    clusters = clusters or Clusters.single(len(reference), len(window))
    vectors = np.concatenate([reference, window])
    fitted = _fitted_half(clusters, exchange.seed)
    scaled = StandardScaler().fit(vectors[fitted]).transform(vectors)
    return _classify(scaled, clusters, fitted, exchange)[0]


def compare_f1(
    reference: Outcomes, window: Outcomes, clusters: Clusters | None = None, exchange: Exchange = DEFAULT
) -> SampleComparison:
    """Compare outcomes by the drop of F1 from the reference to the window.

    The test of no drop resamples rows (bootstrap), or exchanges clusters if these hold several rows.

    Args:
        reference: outcomes per row.
        window: outcomes per row.
        clusters: clusters of the rows; None makes each row its own cluster.
        exchange: settings of the exchange of clusters; the bootstrap uses its seed, too.
    """
    drop = reference.f1() - window.f1()
    if clusters is None or clusters.all_single:
        reference_f1, window_f1 = (
            _replicas(outcomes, exchange.seed + number) for number, outcomes in enumerate((reference, window))
        )
        lower = np.count_nonzero(window_f1 < reference_f1)
        return SampleComparison(max(0.0, drop), float((1 + len(window_f1) - lower) / (1 + len(window_f1))))
    tallies = np.concatenate([outcomes.tally(outcomes.codes) for outcomes in (reference, window)])
    sums = clusters.sums(tallies)
    flat, total = sums.reshape(len(sums), -1), sums.sum(axis=0)
    if clusters.uneven:
        sample_estimates = [_f1_of(sums[~clusters.window]), _f1_of(sums[clusters.window])]
        estimates = Estimates(sample_estimates, lambda deviation: -deviation[:, 0])
        return SampleComparison(max(0.0, drop), _drawn_p_value(clusters, estimates, drop, exchange))

    def drops_of(members: Bools) -> Floats:
        in_window = (members @ flat).reshape(-1, *total.shape)
        # A permuted sample without gold labels counts as evidence for the null hypothesis.
        drops: Floats = np.nan_to_num(mean_f1(total - in_window) - mean_f1(in_window), nan=np.inf)
        return drops

    return SampleComparison(max(0.0, drop), _p_value(clusters, drops_of, drop, exchange))


def _p_value(clusters: Clusters, statistic: Statistic, measured: float, exchange: Exchange, cells: int = 0) -> float:
    return clusters.p_value(statistic, measured, seed=exchange.seed, cells=cells, permutations=exchange.permutations)


def _drawn_p_value(
    clusters: Clusters, estimates: Estimates, measured: float, exchange: Exchange, cells: int = 0
) -> float:
    """Return the bootstrap p-value, for samples whose clusters differ in size."""
    draws, seed = exchange.permutations, exchange.seed
    return bootstrap_p_value(estimates, clusters.window, measured, seed=seed, draws=draws, cells=cells)


def _numbers_p_value(values: Floats, clusters: Clusters, exchange: Exchange) -> float:
    """Compare the cumulative distributions at `GRID` quantiles of all rows, for clusters that differ in size."""
    levels = np.unique(np.quantile(values, np.linspace(0, 1, GRID), method="inverted_cdf"))
    below = clusters.sums((values[:, None] <= levels).astype(np.float64))
    parts = (~clusters.window, clusters.window)
    estimates = Estimates(
        [ratio(below[part], clusters.sizes[part]) for part in parts], lambda deviation: np.abs(deviation).max(axis=1)
    )
    reference_shares, window_shares = (below[part].sum(axis=0) / clusters.sizes[part].sum() for part in parts)
    measured = float(np.abs(window_shares - reference_shares).max())
    return _drawn_p_value(clusters, estimates, measured, exchange, cells=GRID)


def _f1_of(sums: Floats) -> Callable[[Floats], Floats]:
    """Return an estimate of the F1 of the drawn clusters from their tallies."""

    def estimate(counts: Floats) -> Floats:
        return mean_f1((counts @ sums.reshape(len(sums), -1)).reshape(-1, *sums.shape[1:]))[:, None]

    return estimate


def _replicas(outcomes: Outcomes, seed: int) -> Floats:
    distinct, place = distinct_rows(outcomes.codes)
    rows = len(place)
    return draw_f1(outcomes.tally(distinct)[:, None], np.bincount(place) / rows, rows, REPLICAS, seed)[:, 0]


def _variation(first: Floats, second: Floats) -> Floats:
    """Return half the sum of the absolute differences of shares, over the last axis."""
    shares = [counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12) for counts in (first, second)]
    distance: Floats = np.abs(shares[0] - shares[1]).sum(axis=-1) / 2
    return distance


def _fitted_half(clusters: Clusters, seed: int) -> Bools:
    """Draw half of the clusters of each sample to fit on, as a mask of rows; the other half is tested."""
    fitted = np.zeros(len(clusters.window), dtype=np.bool_)
    draw = np.random.default_rng(seed)
    for window in (False, True):
        numbers = np.flatnonzero(clusters.window == window)
        fitted[draw.choice(numbers, len(numbers) // 2, replace=False)] = True
    return fitted[clusters.codes]


def _classify(
    features: "Floats | csr_matrix", clusters: Clusters, fitted: Bools, exchange: Exchange
) -> tuple[SampleComparison, Floats]:
    """Run a classifier two-sample test (Lopez-Paz & Oquab 2017) on held-out clusters.

    Half of the clusters are held out instead of a cross-validation: scores of several models are not independent, and
    their p-value would be too small.

    Returns:
        The comparison by the AUC, and the weights of the classifier.
    """
    labels = clusters.rows
    model = LogisticRegression(class_weight="balanced", max_iter=300, tol=1e-3)
    model.fit(features[fitted], labels[fitted])
    scores, tested = model.decision_function(features[~fitted]), clusters.where(~fitted)
    result = mannwhitneyu(scores[tested.rows], scores[~tested.rows], alternative="greater")
    auc = float(result.statistic) / (np.count_nonzero(tested.rows) * np.count_nonzero(~tested.rows))
    p_value = float(result.pvalue) if clusters.all_single else _auc_p_value(scores, tested, auc, exchange)
    return SampleComparison(max(0.0, 2 * auc - 1), p_value), model.coef_[0]


def _auc_p_value(scores: Floats, clusters: Clusters, auc: float, exchange: Exchange) -> float:
    """Return the p-value of the AUC by exchanging clusters; it follows from the sum of the ranks of their rows."""
    ranks, sizes = clusters.sums(rankdata(scores)), clusters.sizes
    if clusters.uneven:
        return _drawn_auc_p_value(scores, clusters, auc, exchange)

    def aucs(members: Bools) -> Floats:
        rows = members @ sizes
        values: Floats = (members @ ranks - rows * (rows + 1) / 2) / (rows * (len(scores) - rows))
        return values

    return _p_value(clusters, aucs, auc, exchange)


def _drawn_auc_p_value(scores: Floats, clusters: Clusters, auc: float, exchange: Exchange) -> float:
    """Return the bootstrap p-value of the AUC, taken as a mean over the rows of each sample (DeLong et al. 1988)."""
    in_window = clusters.rows
    above = np.zeros(len(scores))
    for sample in (in_window, ~in_window):
        own_ranks = rankdata(scores[sample])
        above[sample] = (rankdata(scores)[sample] - own_ranks) / np.count_nonzero(~sample)
    sums = clusters.sums(above[:, None])
    sample_estimates = [ratio(sums[part], clusters.sizes[part]) for part in (~clusters.window, clusters.window)]
    estimates = Estimates(sample_estimates, lambda deviation: deviation[:, 0])
    return _drawn_p_value(clusters, estimates, auc - 0.5, exchange)
