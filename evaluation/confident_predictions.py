"""The most confident predictions of a head, and the share of them that is right."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from assay.evaluation.calibration_fit import entity_outcomes_of
from assay.evaluation.labelled_predictions import LabelledPrediction, rows_of
from assay.evaluation.share_interval import Share, share_of
from assay.evaluation.statistics import Bools, Floats
from assay.recipes.recipe import Head


@dataclass(frozen=True)
class ScoredPredictions:
    """Predictions of one head: confidence, whether each is right, and its cluster."""

    confidence: Floats
    right: Bools
    clusters: Sequence[str]

    def __len__(self) -> int:
        return len(self.right)


@dataclass(frozen=True)
class ConfidentShare:
    """The share of right ones among the most confident predictions, with the confidence that all of them reach."""

    share: Share
    confidence: float


def scored_predictions(rows: Sequence[LabelledPrediction], head: Head) -> ScoredPredictions:
    """Return the predictions of a head for its labelled rows: one class per row, or every predicted label or entity."""
    labelled = rows_of(rows, head)
    if head == "tokens":
        confidence, right = entity_outcomes_of(labelled)
        clusters = [row.own_cluster for row in labelled for _ in row.predicted_entities]
        return ScoredPredictions(confidence, right, clusters)
    if head == "labels":
        applied = [(one, row) for row in labelled for one in row.predicted_labels]
        return ScoredPredictions(
            np.array([one.score for one, _ in applied], dtype=np.float64),
            np.array([one.label in (row.gold_labels or ()) for one, row in applied], dtype=np.bool_),
            [row.own_cluster for _, row in applied],
        )
    return ScoredPredictions(
        np.array([max(row.probabilities) for row in labelled], dtype=np.float64),
        np.array([row.predicted == row.gold for row in labelled], dtype=np.bool_),
        [row.own_cluster for row in labelled],
    )


def precision_at_coverage(predictions: ScoredPredictions, coverage: float) -> ConfidentShare:
    """Return the precision of the most confident share `coverage` of the predictions.

    Predictions as confident as the last one count, too, since no threshold on the confidence tells them apart.

    Args:
        predictions: predictions of one head, at least one.
        coverage: above 0, at most 1.
    """
    # 0.07 * 100 is 7.000000000000001, which is 7 predictions.
    count = max(1, ceil(round(coverage * len(predictions), 6)))
    least = float(np.sort(predictions.confidence)[-count])
    kept = np.flatnonzero(predictions.confidence >= least)
    share = share_of(predictions.right[kept].tolist(), [predictions.clusters[place] for place in kept.tolist()])
    return ConfidentShare(share, least)


def largest_coverage(predictions: ScoredPredictions, precision: float) -> float:
    """Return the largest coverage at which the predictions have this precision; 0 if there is none."""
    order = np.argsort(-predictions.confidence, kind="stable")
    confidence = predictions.confidence[order]
    precisions = np.cumsum(predictions.right[order]) / np.arange(1, len(order) + 1)
    last_of_its_confidence = np.append(confidence[1:] < confidence[:-1], True)
    reached = np.flatnonzero((precisions >= precision) & last_of_its_confidence)
    return float(reached[-1] + 1) / len(order) if len(reached) else 0.0
