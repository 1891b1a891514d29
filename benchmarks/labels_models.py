"""Models of `make bench-labels` whose predictions of held-out rows cost one matrix product per set of labels.

Both are ridge regressions on one-hot labels over the states of a frozen encoder. What is costly, the inverse of the
kernel or of the covariance, does not depend on the labels: every corruption of them is scored with the same one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.linalg
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.labels_data import Array, LabelledRows

# Chosen once on the uncorrupted rows of twitter_financial.
KERNEL_PENALTY, WORD_PENALTY = 4.0, 30.0
FOLDS = 5
WORD = r"\S+"
TEMPERATURES = (0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class SentenceModel:
    """Kernel ridge regression: a Gaussian kernel on the encoder's states, and products of TF-IDF vectors."""

    inverse: Array

    @classmethod
    def of(cls, kernel: Array) -> "SentenceModel":
        """Invert the kernel of all rows."""
        return cls(inverted(kernel))

    def held_out(self, label: Array, classes: int) -> Array:
        """Return the probabilities of each row by the model of all other rows (leave one out, in closed form)."""
        targets = np.eye(classes, dtype=np.float32)[label]
        mean = targets.mean(0)
        scores = targets - (self.inverse @ (targets - mean)) / np.diag(self.inverse)[:, None]
        return calibrated(scores, label)

    def fitted(self, label: Array, classes: int) -> Array:
        """Return the probabilities of each row by the model that was trained on it, too."""
        targets = np.eye(classes, dtype=np.float32)[label]
        mean = targets.mean(0)
        return calibrated(targets - KERNEL_PENALTY * (self.inverse @ (targets - mean)), label)


def kernel_of(rows: LabelledRows) -> Array:
    """Return the kernel of every pair of rows."""
    begins = rows.begins
    states = [rows.states[begin:end].astype(np.float32) for begin, end in pairwise(begins)]
    parts = [rows.sentences, np.stack([one.mean(0) for one in states]), np.stack([one.max(0) for one in states])]
    kernel = 2 * gaussian(*parts)
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=WORD)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True)
    for vectorizer in (words, letters):
        vectors = vectorizer.fit_transform(rows.texts).astype(np.float32)
        kernel += (vectors @ vectors.T).toarray()
    return kernel.astype(np.float32)


def gaussian(*parts: Array) -> Array:
    """Return the Gaussian kernel of rows by parts of their states, each of them standardised."""
    dense = np.hstack([(part - part.mean(0)) / (part.std(0) + 1e-6) for part in parts])
    products = dense @ dense.T
    square = np.diag(products)
    distance = square[:, None] + square[None] - 2 * products
    kernel: Array = np.exp(-distance / (2 * np.median(distance)))
    return kernel


def inverted(kernel: Array) -> Array:
    """Return the inverse of a kernel with the penalty on its diagonal."""
    ridge = kernel + KERNEL_PENALTY * np.eye(len(kernel), dtype=np.float32)
    factor, _ = scipy.linalg.lapack.spotrf(ridge, lower=1)
    inverse, _ = scipy.linalg.lapack.spotri(factor, lower=1)
    whole: Array = np.tril(inverse) + np.tril(inverse, -1).T
    return whole


class WordModel:
    """Ridge regression from the states of a word and of its neighbours to its tag, cross-validated by row."""

    def __init__(self, rows: LabelledRows) -> None:
        begins = rows.begins
        states = rows.states.astype(np.float32)
        states = (states - states.mean(0)) / (states.std(0) + 1e-6)
        before, after = np.zeros_like(states), np.zeros_like(states)
        before[1:], after[:-1] = states[:-1], states[1:]
        before[begins[:-1]], after[begins[1:] - 1] = 0, 0
        self._features = np.hstack([states, before, after, np.ones((len(states), 1), np.float32)])
        fold_of_row = np.random.default_rng(0).permutation(len(rows.words)) % FOLDS
        self._folds = np.repeat(fold_of_row, np.diff(begins))
        parts = [self._features[self._folds == fold] for fold in range(FOLDS)]
        grams = [part.T @ part for part in parts]
        self._total = _factor(sum(grams))
        self._factors = [_factor(sum(grams) - gram) for gram in grams]

    def held_out(self, codes: Array, tags: int) -> Array:
        """Return the probabilities of the tags of each word by a model of the rows of the other folds."""
        scores = np.zeros((len(codes), tags), dtype=np.float32)
        targets = np.eye(tags, dtype=np.float32)[codes]
        whole = self._features.T @ targets
        for fold, factor in enumerate(self._factors):
            inside = self._folds == fold
            part = self._features[inside]
            scores[inside] = part @ scipy.linalg.cho_solve(factor, whole - part.T @ targets[inside])
        return calibrated(scores, codes)

    def fitted(self, codes: Array, tags: int) -> Array:
        """Return the probabilities by the model of all rows."""
        targets = np.eye(tags, dtype=np.float32)[codes]
        weights = scipy.linalg.cho_solve(self._total, self._features.T @ targets)
        return calibrated(self._features @ weights, codes)


def _factor(gram: Array) -> tuple[Array, bool]:
    factor: tuple[Array, bool] = scipy.linalg.cho_factor(gram + WORD_PENALTY * np.eye(len(gram), dtype=np.float32))
    return factor


def calibrated(scores: Array, given: Array) -> Array:
    """Return probabilities with the temperature under which the given labels are most likely."""
    rows = np.arange(len(given))
    options = [softmax(scores, temperature) for temperature in TEMPERATURES]
    likelihood = [np.log(option[rows, given] + 1e-9).mean() for option in options]
    return options[int(np.argmax(likelihood))]


def softmax(scores: Array, temperature: float) -> Array:
    """Return the softmax of scores over a temperature."""
    shifted = np.exp((scores - scores.max(1, keepdims=True)) / temperature)
    result: Array = shifted / shifted.sum(1, keepdims=True)
    return result


def confused(right: Array, predicted: Array, classes: int) -> Array:
    """Return the counts of right class x predicted class."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (right, predicted), 1)
    return counts


def most_confused(right: Sequence[str], predicted: Sequence[str]) -> dict[str, list[str]]:
    """Return the type that a model confuses most with each type; types without a confusion are left out."""
    pairs: dict[str, dict[str, int]] = {}
    for one, other in zip(right, predicted, strict=True):
        if one != other and "O" not in (one, other):
            pairs.setdefault(one, {}).setdefault(other, 0)
            pairs[one][other] += 1
    return {one: [max(others, key=lambda other: others[other])] for one, others in pairs.items()}
