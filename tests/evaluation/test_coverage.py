import pytest

from assay.evaluation.coverage import coverage_of
from assay.evaluation.decision_fit import fit_decision
from assay.evaluation.scored_predictions import scored_predictions
from assay.recipes.decision_section import DecisionRule
from tests.decisions import a_decision
from tests.evaluation.predicted import predictions


def test_coverage_draws_a_curve_of_each_head_without_a_decision() -> None:
    heads = coverage_of(predictions(400), ["sentence", "tokens"], {})
    assert [(head.head, head.coverage, head.precision, head.metrics) for head in heads] == [
        ("sentence", None, None, {}),
        ("tokens", None, None, {}),
    ]
    curve = heads[0].curve
    assert [point.coverage for point in curve] == sorted(point.coverage for point in curve)
    assert curve[-1].coverage == 1
    assert curve[5].precision > curve[-1].precision  # the most confident are right more often
    assert curve[0].confidence > curve[-1].confidence


def test_coverage_measures_what_is_decided() -> None:
    rule = DecisionRule(precision=0.8)
    decisions = {"sentence": fit_decision(scored_predictions(predictions(2000), "sentence"), rule)}
    (head,) = coverage_of(predictions(1000, seed=9), ["sentence"], decisions)
    assert head.decided is not None
    assert head.coverage is not None
    assert head.precision is not None
    assert head.coverage.value == head.decided / 1000
    assert head.precision.low < head.precision.value < head.precision.high
    assert head.precision.value > 0.75
    assert head.metrics == {
        "sentence.coverage": head.coverage.value,
        "sentence.precision_decided": head.precision.value,
    }


def test_coverage_of_a_decision_that_decides_nothing_has_no_precision() -> None:
    (head,) = coverage_of(predictions(100), ["tokens"], {"tokens": a_decision(None)})
    assert head.metrics == {"tokens.coverage": pytest.approx(0)}


def test_coverage_leaves_out_heads_with_too_few_predictions() -> None:
    assert coverage_of(predictions(19), ["sentence", "tokens"], {}) == []
