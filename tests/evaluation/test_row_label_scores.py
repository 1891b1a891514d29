"""Scores of a labels head: metrics, slices, the paired test, baselines, calibration, and what the gate says of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from assay.corpus.example import Example
from assay.evaluation.baselines import BaselineReader
from assay.evaluation.calibration_fit import fit_calibration
from assay.evaluation.counterfactual_checks import _outcome
from assay.evaluation.counterfactuals.substitution_sets import SubstitutionText
from assay.evaluation.gate_checks.low_score_causes import low_score_causes
from assay.evaluation.label_baselines import TfidfLabeller, constant_labels
from assay.evaluation.label_decisions import fit_label_calibration, fit_label_thresholds
from assay.evaluation.labelled_predictions import (
    LabelledPrediction,
    outcomes_of,
    predict_rows,
    read_predictions,
    write_predictions,
)
from assay.evaluation.metrics import compute_metrics
from assay.evaluation.paired_test import compare
from assay.evaluation.parity import same_prediction
from assay.evaluation.precision_measurement import f1_scores
from assay.evaluation.reliability import reliability_of
from assay.evaluation.slices import slice_outcomes, slices_by_label
from assay.evaluation.statistics import label_outcomes
from assay.evaluation.worst_errors import worst_errors
from assay.models.scores import label_scores
from assay.serving.calibration import UNCALIBRATED, Calibration
from assay.serving.engine import Engine, Row, ScoredLabel
from tests.bundles import build_bundle

NAMES = ["money", "sport", "weather"]


def predicted(rows: int, *, sharpness: float = 1.0, wrong: float = 0.0, seed: int = 0) -> list[LabelledPrediction]:
    """Return predictions of a labels head; a sharpness above 1 makes them more confident than right."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(rows):
        odds = random.normal(-0.5, 2, len(NAMES))
        gold = random.random(len(NAMES)) < 1 / (1 + np.exp(-odds))
        claimed = 1 / (1 + np.exp(-odds * sharpness))
        applied = (claimed >= 0.5) ^ (random.random(len(NAMES)) < wrong)
        scored = [
            ScoredLabel(name, float(value)) for name, value, on in zip(NAMES, claimed, applied, strict=True) if on
        ]
        made.append(
            LabelledPrediction(
                id=f"r{number}",
                gold=None,
                predicted=None,
                probabilities=(),
                gold_entities=None,
                predicted_entities=(),
                characters=10,
                truncated=False,
                slices={"region": "north" if number % 3 else "south"},
                cluster=f"c{number // 2}",
                gold_labels=tuple(name for name, on in zip(NAMES, gold, strict=True) if on),
                predicted_labels=tuple(scored),
                label_probabilities=tuple(claimed.tolist()),
            )
        )
    return made


def table(labels: Sequence[Sequence[str]]) -> np.ndarray:
    return np.array([[name in row for name in NAMES] for row in labels])


def test_compute_metrics_of_labels_agrees_with_scikit_learn() -> None:
    rows = predicted(300)
    gold, ours = table([row.gold_labels or () for row in rows]), table([row.applied for row in rows])
    result = compute_metrics([*rows, replace(rows[0], id="unlabelled", gold_labels=None)], ["labels"], [], NAMES)
    assert result.metrics["labels.macro_f1"] == pytest.approx(f1_score(gold, ours, average="macro"))
    assert result.metrics["labels.micro_f1"] == pytest.approx(f1_score(gold, ours, average="micro"))
    assert result.metrics["labels.subset_accuracy"] == pytest.approx((gold == ours).all(axis=1).mean())
    assert [line.f1 for line in result.report["labels"]] == pytest.approx(f1_score(gold, ours, average=None))
    assert [line.support for line in result.report["labels"]] == gold.sum(axis=0).tolist()


def test_compute_metrics_leaves_labels_out_where_no_row_has_one() -> None:
    rows = [replace(row, gold_labels=()) for row in predicted(3)]
    assert compute_metrics(rows, ["labels"], [], NAMES).left_out == {"labels": "no row has a label"}
    rows = [replace(row, gold_labels=None) for row in rows]
    assert compute_metrics(rows, ["labels"], [], NAMES).left_out == {"labels": "no row is labelled"}


def test_label_scores_average_over_the_labels_that_rows_have() -> None:
    scores = label_scores([["money"], []], [["money", "sport"], []], NAMES)
    assert (scores.macro_f1, scores.subset_accuracy) == (1.0, 0.5)
    assert scores.micro_f1 == pytest.approx(2 / 3)


def test_label_outcomes_know_the_perfect_and_the_wrong_model() -> None:
    gold, other = [["money", "sport"], [], ["weather"]], [["money"], ["sport"], ["weather"]]
    outcomes = label_outcomes(gold, other, NAMES)
    assert outcomes.f1() == pytest.approx((1 + 0 + 1) / 3)
    assert replace(outcomes, codes=outcomes.perfect()).f1() == 1.0
    wrong = replace(outcomes, codes=outcomes.all_wrong())
    assert wrong.f1() == 0.0
    assert (wrong.codes[:, :3] + wrong.codes[:, 6:] == outcomes.codes[:, :3] + outcomes.codes[:, 6:]).all()


def test_compare_shows_that_one_labels_head_is_better() -> None:
    better, worse = predicted(400), predicted(400, wrong=0.15)
    result = compare(outcomes_of(better, "labels", NAMES), outcomes_of(worse, "labels", NAMES))
    assert 0 < result.lower < result.difference
    same = compare(outcomes_of(better, "labels", NAMES), outcomes_of(better, "labels", NAMES), threshold=-0.01)
    assert same.identical
    assert same.lower <= 0


def test_slices_by_label_score_each_label_over_all_rows() -> None:
    rows = predicted(300)
    gold, ours = table([row.gold_labels or () for row in rows]), table([row.applied for row in rows])
    f1 = dict(zip(NAMES, f1_score(gold, ours, average=None), strict=True))
    slices = slices_by_label(rows)
    assert {slice_.value for slice_ in slices} == set(NAMES)
    for slice_ in slices:
        assert slice_outcomes(slice_, rows, "labels").f1() == pytest.approx(f1[slice_.value])
        assert slice_.rows == gold[:, NAMES.index(slice_.value)].sum()


def test_write_predictions_keeps_labels(tmp_path: Path) -> None:
    rows = [*predicted(3), replace(predicted(1)[0], id="unlabelled", gold_labels=None)]
    write_predictions(rows, tmp_path / "rows.parquet")
    assert read_predictions(tmp_path / "rows.parquet") == rows


def test_fit_label_calibration_brings_confidence_to_the_share_that_is_right() -> None:
    validation, test = predicted(2000, sharpness=3.0), predicted(2000, sharpness=3.0, seed=1)
    calibration = fit_calibration(validation, [], NAMES)
    assert calibration.labels is not None
    assert calibration.labels.slopes == pytest.approx([1 / 3] * 3, rel=0.15)
    scores = np.array([row.label_probabilities for row in test])
    calibrated = calibration.label_probabilities(scores)
    rows = [replace(row, label_probabilities=tuple(one)) for row, one in zip(test, calibrated.tolist(), strict=True)]
    [measured] = reliability_of(rows, ["labels"], [], calibration, NAMES)
    assert measured.calibrated.error.value < 0.03 < measured.uncalibrated.error.value
    assert measured.calibrated.log_loss < measured.uncalibrated.log_loss
    assert set(measured.by_class) == set(NAMES)


def test_fit_label_calibration_leaves_rare_labels_as_they_are() -> None:
    rows = [replace(row, gold_labels=tuple({*(row.gold_labels or ())} - {"sport"})) for row in predicted(200)]
    calibration = fit_label_calibration(rows, NAMES)
    assert calibration is not None
    assert (calibration.slopes[1], calibration.offsets[1]) == (1.0, 0.0)
    assert fit_label_calibration(rows[:20], NAMES) is None


def test_fit_label_thresholds_are_those_of_calibrated_probabilities() -> None:
    rows = predicted(2000, sharpness=3.0)
    plain = fit_label_thresholds(rows, NAMES, UNCALIBRATED)
    calibration = fit_calibration(rows, [], NAMES)
    calibrated = fit_label_thresholds(rows, NAMES, calibration)
    # The same rows are above the threshold, so that calibration changes no F1.
    scores = np.array([row.label_probabilities for row in rows])
    assert ((scores >= plain) == (calibration.label_probabilities(scores) >= calibrated)).mean() > 0.999


def test_tfidf_labeller_learns_a_word_for_each_label(tmp_path: Path) -> None:
    training = [
        Example("1", "the bank", labels=("money",)),
        Example("2", "the match", labels=("sport",)),
        Example("3", "the bank and the match", labels=("money", "sport")),
        Example("4", "nothing here", labels=()),
        Example("5", "not labelled", labels=None),
    ] * 5
    reader = BaselineReader(build_bundle(tmp_path, {"the": "a", "bank": "a", "match": "b"}, {"x": "ORG"}))
    model = TfidfLabeller(training, ["money", "sport", "weather"], reader)
    assert model.rows == 20
    tests = [Example("a", "the bank"), Example("b", "the match and the bank"), Example("c", "nothing here")]
    rows = model.predict(tests, predicted(3))
    assert [row.applied for row in rows] == [("money",), ("money", "sport"), ()]  # no row has the weather
    assert [row.applied for row in constant_labels(NAMES, rows)] == [tuple(NAMES)] * 3


def test_worst_errors_show_the_most_confident_wrong_labels() -> None:
    right, wrong = predicted(2)
    right = replace(right, gold_labels=("money",), predicted_labels=(ScoredLabel("money", 0.99),))
    wrong = replace(wrong, gold_labels=(), predicted_labels=(ScoredLabel("sport", 0.8), ScoredLabel("money", 0.9)))
    [error] = worst_errors([right, wrong], ["a", "b"])
    assert (error.head, error.gold, error.predicted, error.confidence) == ("labels", "no label", "sport, money", 0.9)


def test_low_score_causes_name_a_model_that_predicts_the_same_labels_for_all() -> None:
    rows = constant_labels(["money"], predicted(50))
    assert low_score_causes(rows, "labels") == ["the model predicts the same labels for every test row, 'money'"]
    assert low_score_causes(predicted(50), "labels") == []


def test_engine_predictions_are_compared_by_their_labels(tmp_path: Path) -> None:
    engine = Engine(build_bundle(tmp_path, {}, {}, row_labels={"bank": "money", "match": "sport"}), threads=1)
    first, second, third = engine.predict([Row("bank"), Row("the bank"), Row("match")])
    assert same_prediction(first, second, engine)
    assert not same_prediction(first, third, engine)
    text = SubstitutionText(Row("bank"), (), "")
    assert [_outcome(text, "labels", one) for one in (first, third)] == ["money", "sport"]
    examples = [Example("1", "bank", labels=("money",)), Example("2", "match", labels=("sport",)), Example("3", "x")]
    rows = predict_rows(engine, examples)
    assert f1_scores(rows, [], engine.row_labels) == {"labels": 1.0}
    assert [row.gold_labels for row in rows] == [("money",), ("sport",), None]


def test_calibration_without_labels_corrects_nothing() -> None:
    assert Calibration().label_probabilities(np.array([0.3])) == pytest.approx([0.3])
