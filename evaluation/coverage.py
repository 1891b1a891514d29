"""Coverage on test rows: how many predictions are decided and right, at the chosen threshold and at others."""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.scored_predictions import ScoredPredictions, scored_predictions
from assay.evaluation.share_interval import share_of
from assay.evaluation.statistics import Bools, Interval
from assay.recipes.recipe import Head
from assay.serving.decision import Decision

# Fewer predictions make no curve.
LEAST = 20
POINTS = 50


class CoveragePoint(BaseModel):
    """What a threshold gives: the share of decided predictions, the share of these that is right, the confidence."""

    model_config = ConfigDict(frozen=True)

    coverage: float
    precision: float
    confidence: float


class HeadCoverage(BaseModel):
    """The decided predictions of one head on test rows.

    `curve` begins with the most confident predictions and ends with all. `coverage` is the share of decided predictions
    and `precision` the share of these that is right, with 95 % intervals; both are None without a decision, and
    `precision` also where nothing is decided.
    """

    model_config = ConfigDict(frozen=True)

    head: Head
    predictions: int
    curve: list[CoveragePoint]
    decided: int | None = None
    coverage: Interval | None = None
    precision: Interval | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics for MLflow; none without a decision."""
        values = {"coverage": self.coverage, "precision_decided": self.precision}
        return {f"{self.head}.{name}": interval.value for name, interval in values.items() if interval is not None}


def coverage_of(
    predictions: Sequence[LabelledPrediction], heads: Sequence[Head], decisions: Mapping[str, Decision]
) -> list[HeadCoverage]:
    """Measure the coverage of each head with enough predictions.

    Args:
        predictions: calibrated predictions for labelled rows.
        heads: heads of the model.
        decisions: decisions of the bundle, by head.
    """
    return [
        _of_head(head, shown, decisions.get(head))
        for head in heads
        if len(shown := scored_predictions(predictions, head)) >= LEAST
    ]


def _of_head(head: Head, predictions: ScoredPredictions, decision: Decision | None) -> HeadCoverage:
    curve = _curve(predictions)
    if decision is None:
        return HeadCoverage(head=head, predictions=len(predictions), curve=curve)
    decided = predictions.decided_by(decision)
    return HeadCoverage(
        head=head,
        predictions=len(predictions),
        curve=curve,
        decided=int(decided.sum()),
        coverage=share_of(decided, predictions.clusters).interval,
        precision=precision_of(predictions, decided) if decided.any() else None,
    )


def precision_of(predictions: ScoredPredictions, decided: Bools) -> Interval:
    """Return the share of the decided predictions that is right, with its 95 % interval."""
    return share_of(predictions.right[decided], predictions.clusters_of(decided)).interval


def _curve(predictions: ScoredPredictions) -> list[CoveragePoint]:
    order = np.argsort(-predictions.confidence, kind="stable")
    rights = np.cumsum(predictions.right[order])
    sizes = np.unique(np.round(np.linspace(len(order) / POINTS, len(order), POINTS)).astype(np.int64))
    return [
        CoveragePoint(
            coverage=float(size / len(order)),
            precision=float(rights[size - 1] / size),
            confidence=float(predictions.confidence[order[size - 1]]),
        )
        for size in sizes
        if size
    ]
