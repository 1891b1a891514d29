"""The most confident predictions of a head, and the share of them that is right."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from assay.evaluation.scored_predictions import ScoredPredictions
from assay.evaluation.share_interval import Share, share_of


@dataclass(frozen=True)
class ConfidentShare:
    """The share of right ones among the most confident predictions, with the confidence that all of them reach."""

    share: Share
    confidence: float


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
    kept = predictions.confidence >= least
    return ConfidentShare(share_of(predictions.right[kept], predictions.clusters_of(kept)), least)


def largest_coverage(predictions: ScoredPredictions, precision: float) -> float:
    """Return the largest coverage at which the predictions have this precision; 0 if there is none."""
    order = np.argsort(-predictions.confidence, kind="stable")
    confidence = predictions.confidence[order]
    precisions = np.cumsum(predictions.right[order]) / np.arange(1, len(order) + 1)
    last_of_its_confidence = np.append(confidence[1:] < confidence[:-1], True)
    reached = np.flatnonzero((precisions >= precision) & last_of_its_confidence)
    return float(reached[-1] + 1) / len(order) if len(reached) else 0.0
