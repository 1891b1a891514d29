"""What is fitted on validation rows; the promise about rare labels is tested by simulation."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from scipy.special import expit, logit

from assay.evaluation.decision_fit import fit_decision
from assay.evaluation.fitted_predictions import FittedPredictions, calibrated, fitted_manifest
from assay.evaluation.label_decisions import out_of_fold
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.scored_predictions import scored_predictions
from assay.evaluation.statistics import Bools, Floats
from assay.recipes.decision_section import DecisionRule
from assay.serving.bundle import BundleManifest
from assay.serving.calibration import Calibration
from assay.serving.decision import Decision
from tests.evaluation.joint_rows import an_answer
from tests.evaluation.predicted import predictions


def test_calibrated_predictions_equal_those_of_a_calibrated_engine() -> None:
    calibration = Calibration(temperature=2.0, doubt=0.01, entity_slope=0.5, entity_offset=0.1, entity_doubt=0.02)
    before = predictions(5)
    after = calibrated(before, calibration)
    for raw, row in zip(before, after, strict=True):
        assert row.probabilities == pytest.approx(calibration.probabilities(np.array(raw.probabilities)))
        assert row.predicted_entities[0].score == pytest.approx(
            float(calibration.entity_confidence(np.array([raw.predicted_entities[0].score]))[0])
        )
        assert (row.gold, row.predicted) == (raw.gold, raw.predicted)


NAMES = [f"label {number:02}" for number in range(24)]
RULE = DecisionRule(precision=0.9)
RESAMPLES = 30


class RareLabels:
    """A model of rare labels: each has its own share of rows, and probabilities that are wrong in its own way."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.shares = 0.03 * np.geomspace(0.5, 2, len(NAMES))
        self.slopes, self.shifts = self.random.uniform(0.6, 1.6, len(NAMES)), self.random.normal(size=len(NAMES))
        self.population = self.draw(30_000)

    def draw(self, rows: int) -> tuple[Floats, Bools]:
        """Return probabilities and which labels apply, rows x labels."""
        gold: Bools = self.random.random((rows, len(NAMES))) < self.shares
        scores = 3 * (self.random.normal(size=gold.shape) + 3 * gold) - 4.5 + logit(self.shares)
        return expit(scores * self.slopes + self.shifts), gold

    def precision(self, fitted: FittedPredictions, decision: Decision) -> float:
        """Return the precision of what is decided among all rows."""
        assert decision.threshold is not None
        probabilities, gold = self.population
        decided = fitted.calibration.label_probabilities(probabilities) >= np.maximum(
            fitted.thresholds, decision.threshold
        )
        return float(gold[decided].mean())


def labelled(probabilities: Floats, gold: Bools) -> list[LabelledPrediction]:
    empty = an_answer(gold=None, predicted=None, probabilities=())
    return [
        replace(
            empty,
            id=f"r{number}",
            gold_labels=tuple(name for name, applies in zip(NAMES, row, strict=True) if applies),
            label_probabilities=tuple(values),
        )
        for number, (values, row) in enumerate(zip(probabilities.tolist(), gold, strict=True))
    ]


@pytest.mark.slow  # a fit per label, fold and validation set
def test_decide_keeps_its_promise_about_rare_labels_in_the_promised_share_of_validation_sets() -> None:
    model, broken, decided, seen_broken = RareLabels(5), 0, 0, 0
    for _ in range(RESAMPLES):
        fitted = FittedPredictions.fit(labelled(*model.draw(300)), [], NAMES)
        decision = fitted.decide({"labels": RULE})["labels"]
        if decision.threshold is not None:
            decided += 1
            broken += model.precision(fitted, decision) < 0.9
        # a decision on the rows that calibration and thresholds were fitted on
        seen = fit_decision(scored_predictions(fitted.rows, "labels"), RULE)
        seen_broken += seen.threshold is not None and model.precision(fitted, seen) < 0.9
    assert decided > RESAMPLES / 6  # the promise is not kept by deciding nothing
    # at most 5 % may be broken; the limit leaves room for chance
    assert broken <= decided * 0.05 + 2 * np.sqrt(decided * 0.05 * 0.95)
    assert seen_broken > RESAMPLES * 0.1  # the simulation can fail


def test_out_of_fold_predicts_each_labelled_row_once_without_its_own_cluster() -> None:
    rows = [replace(row, cluster=f"c{number // 3}") for number, row in enumerate(labelled(*RareLabels(1).draw(120)))]
    predicted = out_of_fold([*rows, replace(rows[0], id="unlabelled", gold_labels=None)], NAMES)
    assert sorted(row.id for row in predicted) == sorted(row.id for row in rows)
    # which row of a cluster has which labels moves nothing of its own predictions
    golds = [rows[number].gold_labels for number in (1, 2, 0)]
    other = [*(replace(row, gold_labels=gold) for row, gold in zip(rows, golds, strict=False)), *rows[3:]]
    assert other != rows
    of_cluster = [[row for row in out_of_fold(data, NAMES) if row.cluster == "c0"] for data in (rows, other)]
    assert [row.label_probabilities for row in of_cluster[0]] == [row.label_probabilities for row in of_cluster[1]]
    assert [row.applied for row in of_cluster[0]] == [row.applied for row in of_cluster[1]]


def test_fitted_manifest_holds_each_precision_that_ships() -> None:
    model = RareLabels(2)
    fitted = {name: FittedPredictions.fit(labelled(*model.draw(100)), [], NAMES) for name in ("fp32", "bf16", "int8")}
    plain: dict[str, Any] = {"precision": "int8", "bf16": True, "row_labels": NAMES}
    manifest = fitted_manifest(BundleManifest.model_construct(**plain), cast(Any, fitted), {"labels": RULE})
    assert set(manifest.calibration) == set(manifest.label_thresholds) == set(manifest.decisions) == {"bf16", "int8"}
    assert manifest.calibration["bf16"] == fitted["bf16"].calibration
    assert manifest.label_thresholds["int8"] == fitted["int8"].thresholds
