"""Baseline models of a labels head: the best constant prediction, and TF-IDF with one classifier per label."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.evaluation.baselines import BaselineReader, batches_of_rows, tfidf_words
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.serving.predictions import ScoredLabel


def constant_labels(names: Sequence[str], predictions: Sequence[LabelledPrediction]) -> list[LabelledPrediction]:
    """Return the predictions with the same labels for all rows."""
    labels = tuple(ScoredLabel(name, 1.0) for name in names)
    return [replace(prediction, predicted_labels=labels) for prediction in predictions]


class TfidfLabeller:
    """Baseline of TF-IDF over words and word pairs with one logistic regression per label (one-vs-rest).

    Args:
        training: training rows; unlabelled rows are ignored.
        names: labels to predict; one that all training rows have, or none, is predicted for all or none.
        reader: splitter of texts into words.

    Raises:
        AssayError: no training row is labelled.
    """

    def __init__(self, training: Iterable[Example], names: Sequence[str], reader: BaselineReader) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline

        self._reader, self._names = reader, list(names)
        features: list[list[str]] = []
        gold: list[list[int]] = []
        for rows in batches_of_rows(row for row in training if row.labels is not None):
            features += reader.features(rows)
            gold += [[int(name in (row.labels or ())) for name in names] for row in rows]
        if not gold:
            raise AssayError("no training row is labelled; see the check of the data")
        self.rows = len(gold)
        # Classes of the same weight: without it, a rare label would never reach a probability of 0.5.
        regression = OneVsRestClassifier(LogisticRegression(max_iter=1000, class_weight="balanced"))
        table = np.array(gold)
        varied = (table.min(axis=0) == 0) & (table.max(axis=0) == 1)
        self._varied, self._constant = np.flatnonzero(varied), table.min(axis=0)
        self._model = make_pipeline(tfidf_words(), regression)
        if varied.any():
            self._model.fit(features, table[:, self._varied])

    def predict(
        self, examples: Sequence[Example], predictions: Sequence[LabelledPrediction]
    ) -> list[LabelledPrediction]:
        """Return the predictions with the labels of this baseline."""
        table = np.tile(self._constant, (len(examples), 1))
        if len(self._varied):
            predicted = np.asarray(self._model.predict(self._reader.features(examples)))
            table[:, self._varied] = predicted.reshape(len(examples), -1)
        return [
            replace(
                prediction,
                predicted_labels=tuple(ScoredLabel(name, 1.0) for name, on in zip(self._names, row, strict=True) if on),
            )
            for prediction, row in zip(predictions, table.tolist(), strict=True)
        ]
