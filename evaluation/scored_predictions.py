"""The predictions of a head with their confidence: what thresholds and curves of coverage are about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.labelled_predictions import LabelledPrediction, rows_of
from assay.evaluation.statistics import Bools, Floats, Ints, cluster_codes
from assay.recipes.recipe import Head
from assay.serving.decision import Decision


@dataclass(frozen=True)
class ScoredPredictions:
    """The predictions of one head: a class per row, or every label that applies, or every entity.

    `labels` are the predicted classes, labels or entity types, `confidence` and `right` belong to them, and `clusters`
    is the cluster number of each; None if they are independent. Labels and entities of one row are one cluster.
    """

    labels: Sequence[str]
    confidence: Floats
    right: Bools
    clusters: Ints | None

    def __len__(self) -> int:
        return len(self.labels)

    def clusters_of(self, members: Bools) -> Ints | None:
        """Return the cluster number of some of them; None if they are independent."""
        return None if self.clusters is None else self.clusters[members]

    def decided_by(self, decision: Decision) -> Bools:
        """Return which of them are decided."""
        pairs = zip(self.labels, self.confidence, strict=True)
        return np.array([not decision.abstains(label, float(value)) for label, value in pairs], dtype=np.bool_)


def scored_predictions(rows: Sequence[LabelledPrediction], head: Head) -> ScoredPredictions:
    """Return the predictions of a head on its labelled rows."""
    scored = [(row.own_cluster, *one) for row in rows_of(rows, head) for one in _of_row(row, head)]
    return ScoredPredictions(
        labels=[label for _, label, _, _ in scored],
        confidence=np.array([confidence for _, _, confidence, _ in scored], dtype=np.float64),
        right=np.array([right for _, _, _, right in scored], dtype=np.bool_),
        clusters=cluster_codes([cluster for cluster, _, _, _ in scored]),
    )


def _of_row(row: LabelledPrediction, head: Head) -> Iterable[tuple[str, float, bool]]:
    """Yield label, confidence and rightness of each prediction."""
    if head == "sentence":
        yield str(row.predicted), max(row.probabilities), row.gold == row.predicted
    elif head == "labels":
        for one in row.predicted_labels:
            yield one.label, one.score, one.label in (row.gold_labels or ())
    else:
        gold = {(entity.start, entity.end, entity.label) for entity in row.gold_entities or ()}
        for entity in row.predicted_entities:
            yield entity.label, entity.score, (entity.start, entity.end, entity.label) in gold
