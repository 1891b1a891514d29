"""Two samples of rows: how far apart they are, and whether chance explains it.

The tests are scipy's and the classifier scikit-learn's. Libraries made for drift were looked at and left out: evidently
brings 26 packages, a web framework and telemetry; nannyml brings two libraries of boosted trees and telemetry;
alibi-detect needs numpy 1, and its licence is no open one. None of them corrects for the number of tests.

Every effect lies between 0 (the same) and 1 and does not grow with the number of rows; every p-value is that of the
hypothesis that both samples come from one distribution.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import ks_2samp, mannwhitneyu
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tasks.monitoring.words import words
from tasks.scoring.statistics import REPLICAS, SEED, Floats, Outcomes, distinct_rows, draw_f1

PERMUTATIONS = 1999
PERMUTED_A_CHUNK = 4_000_000
MOST_WORDS = 20_000
TELLING_WORDS = 12


@dataclass(frozen=True)
class Comparison:
    """How far apart two samples are. `telling` names what sets the second one apart, if anything has a name."""

    effect: float
    p_value: float
    telling: list[str] = field(default_factory=list)


def compare_numbers(reference: Floats, window: Floats) -> Comparison:
    """The largest distance of the cumulative distributions (Kolmogorov-Smirnov).

    Ties make the test cautious, so that it serves counts, too.
    """
    result = ks_2samp(reference, window, method="asymp")
    return Comparison(float(result.statistic), float(result.pvalue))


def compare_shares(reference: Floats, window: Floats, seed: int = SEED) -> Comparison:
    """The total variation distance of two distributions over classes, and its permutation test.

    Whole rows change places: entities of one text resemble each other, and are no independent draws.

    Args:
        reference: rows x classes: how often each class comes in a row.
        window: the same.
        seed: of the permutations.
    """
    counts = np.concatenate([reference, window])
    measured = float(_variation(reference.sum(axis=0), window.sum(axis=0)))
    draw = np.random.default_rng(seed)
    total, member = counts.sum(axis=0), np.arange(len(counts)) >= len(reference)
    chunk = max(1, PERMUTED_A_CHUNK // len(counts))
    further = 0
    for begin in range(0, PERMUTATIONS, chunk):
        size = min(chunk, PERMUTATIONS - begin)
        drawn = draw.permuted(np.tile(member, (size, 1)), axis=1) @ counts
        further += int(np.count_nonzero(_variation(total - drawn, drawn) >= measured - 1e-12))
    return Comparison(measured, (1 + further) / (1 + PERMUTATIONS))


def compare_texts(reference: Sequence[str], window: Sequence[str], seed: int = SEED) -> Comparison:
    """Whether a classifier can tell the texts apart by their words.

    Args:
        reference: texts.
        window: texts.
        seed: of the halves.
    """
    texts = [*reference, *window]
    labels = _labels(len(reference), len(window))
    learn = _half(labels, seed)
    vectorizer = TfidfVectorizer(analyzer=words, sublinear_tf=True, max_features=MOST_WORDS)
    own = [text for text, one in zip(texts, learn, strict=True) if one]
    if not any(map(words, own)):
        return Comparison(0.0, 1.0)
    vectorizer.fit(own)
    comparison, weights = _tell_apart(vectorizer.transform(texts), labels, learn)
    heavy = vectorizer.get_feature_names_out()[np.argsort(-weights)]
    named = [str(word) for word in heavy if re.match(r"\w", word)]
    return Comparison(comparison.effect, comparison.p_value, named[:TELLING_WORDS])


def compare_vectors(reference: Floats, window: Floats, seed: int = SEED) -> Comparison:
    """Whether a classifier can tell the vectors apart.

    Args:
        reference: rows x width.
        window: the same.
        seed: of the halves.
    """
    vectors = np.concatenate([reference, window])
    labels = _labels(len(reference), len(window))
    learn = _half(labels, seed)
    scaled = StandardScaler().fit(vectors[learn]).transform(vectors)
    return _tell_apart(scaled, labels, learn)[0]


def compare_f1(reference: Outcomes, window: Outcomes, seed: int = SEED) -> Comparison:
    """The fall of F1 from the reference to the window, and the bootstrap test that there is none."""
    before, now = (_replicas(one, seed + number) for number, one in enumerate((reference, window)))
    against = np.count_nonzero(now < before)
    effect = max(0.0, reference.f1() - window.f1())
    return Comparison(effect, float((1 + len(now) - against) / (1 + len(now))))


def _replicas(outcomes: Outcomes, seed: int) -> Floats:
    distinct, place = distinct_rows(outcomes.codes)
    rows = len(place)
    return draw_f1(outcomes.tally(distinct)[:, None], np.bincount(place) / rows, rows, REPLICAS, seed)[:, 0]


def _variation(one: Floats, other: Floats) -> Floats:
    """Half the sum of the absolute differences of shares, over the last axis."""
    shares = [counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-12) for counts in (one, other)]
    distance: Floats = np.abs(shares[0] - shares[1]).sum(axis=-1) / 2
    return distance


def _labels(reference: int, window: int) -> Floats:
    return np.repeat([0.0, 1.0], [reference, window])


def _half(labels: Floats, seed: int) -> np.ndarray:
    """A random half of each sample, to learn from; the other half is judged."""
    learn = np.zeros(len(labels), dtype=np.bool_)
    draw = np.random.default_rng(seed)
    for label in (0.0, 1.0):
        rows = np.flatnonzero(labels == label)
        learn[draw.choice(rows, len(rows) // 2, replace=False)] = True
    return learn


def _tell_apart(features: "Floats | csr_matrix", labels: Floats, learn: np.ndarray) -> tuple[Comparison, Floats]:
    """Classifier two-sample test (Lopez-Paz & Oquab 2017): its AUC on rows that it has not seen, and its weights.

    Half of the rows are held out in place of a cross-validation: scores of several models are not independent, and
    their p-value would be too small.
    """
    model = LogisticRegression(class_weight="balanced", max_iter=300, tol=1e-3)
    model.fit(features[learn], labels[learn])
    scores, truth = model.decision_function(features[~learn]), labels[~learn]
    result = mannwhitneyu(scores[truth == 1], scores[truth == 0], alternative="greater")
    auc = float(result.statistic) / (np.count_nonzero(truth == 1) * np.count_nonzero(truth == 0))
    return Comparison(max(0.0, 2 * auc - 1), float(result.pvalue)), model.coef_[0]
