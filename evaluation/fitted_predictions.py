"""Predictions of one precision on validation rows, and what is fitted on them: confidences, thresholds, decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from assay.corpus.example import Head
from assay.evaluation.calibration_fit import fit_calibration
from assay.evaluation.decision_fit import fit_decision
from assay.evaluation.label_decisions import fit_label_thresholds, out_of_fold, with_labels
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.scored_predictions import ScoredPredictions, scored_predictions
from assay.recipes.decision_section import DecisionRule
from assay.serving.bundle import BundleManifest, Precision
from assay.serving.calibration import Calibration
from assay.serving.decision import Decisions


@dataclass(frozen=True)
class FittedPredictions:
    """Predictions on validation rows, and the calibration and label thresholds that are fitted on them.

    `uncalibrated` are the predictions of the graph. `row_labels` are those of the labels head, and `thresholds` belong
    to them.
    """

    uncalibrated: Sequence[LabelledPrediction]
    row_labels: Sequence[str]
    calibration: Calibration
    thresholds: list[float]

    @classmethod
    def fit(
        cls, uncalibrated: Sequence[LabelledPrediction], labels: Sequence[str], row_labels: Sequence[str] = ()
    ) -> "FittedPredictions":
        """Fit calibration and label thresholds.

        Args:
            uncalibrated: predictions on validation rows, as the graph makes them.
            labels: classes of the model, in the order of the probabilities.
            row_labels: labels of the labels head, in the order of its probabilities.
        """
        calibration = fit_calibration(uncalibrated, labels, row_labels)
        thresholds = fit_label_thresholds(uncalibrated, row_labels, calibration)
        return cls(uncalibrated, row_labels, calibration, thresholds)

    def applied_to(self, rows: Sequence[LabelledPrediction]) -> list[LabelledPrediction]:
        """Return uncalibrated predictions as the bundle makes them: calibrated, and with the labels that apply."""
        return with_labels(calibrated(rows, self.calibration), self.row_labels, self.thresholds)

    @cached_property
    def rows(self) -> list[LabelledPrediction]:
        """Return the predictions on the validation rows as the bundle makes them."""
        return self.applied_to(self.uncalibrated)

    def decide(self, rules: Mapping[Head, DecisionRule]) -> Decisions:
        """Choose the thresholds of each head that the recipe has a rule for.

        Classes and entities have one correction for all rows, which changes their order little or not at all. Labels
        have one each, so that their decision needs predictions that it did not fit.

        Args:
            rules: section `decision` of the recipe.
        """
        return {head: fit_decision(self._deciding(head), rule) for head, rule in rules.items()}

    def _deciding(self, head: Head) -> ScoredPredictions:
        unseen = out_of_fold(self.uncalibrated, self.row_labels) if head == "labels" else []
        # Rows of one cluster make no folds, and are too few for any promise.
        return scored_predictions(unseen or self.rows, head)


def fitted_manifest(
    manifest: BundleManifest,
    fitted: Mapping[Precision, FittedPredictions],
    rules: Mapping[Head, DecisionRule],
) -> BundleManifest:
    """Return the manifest of a bundle with what is fitted for each precision that it ships.

    Args:
        manifest: manifest of the bundle.
        fitted: predictions of each of these precisions; more do no harm.
        rules: section `decision` of the recipe.
    """
    shipped = {precision: fitted[precision] for precision in sorted(manifest.shipped_precisions)}
    changes: dict[str, object] = {"calibration": {precision: one.calibration for precision, one in shipped.items()}}
    if manifest.row_labels:
        changes["label_thresholds"] = {precision: one.thresholds for precision, one in shipped.items()}
    if rules:
        changes["decisions"] = {precision: one.decide(rules) for precision, one in shipped.items()}
    return manifest.model_copy(update=changes)


def calibrated(rows: Sequence[LabelledPrediction], calibration: Calibration) -> list[LabelledPrediction]:
    """Return uncalibrated predictions as they are after calibration; the labels that apply stay (`with_labels`)."""
    return [_calibrated(row, calibration) for row in rows]


def _calibrated(row: LabelledPrediction, calibration: Calibration) -> LabelledPrediction:
    scores = calibration.entity_confidence(np.array([entity.score for entity in row.predicted_entities]))
    entities = zip(row.predicted_entities, scores, strict=True)
    return replace(
        row,
        probabilities=tuple(calibration.probabilities(np.array(row.probabilities)).tolist())
        if row.probabilities
        else (),
        label_probabilities=tuple(calibration.label_probabilities(np.array(row.label_probabilities)).tolist())
        if row.label_probabilities
        else (),
        predicted_entities=tuple(replace(entity, score=float(score)) for entity, score in entities),
    )
