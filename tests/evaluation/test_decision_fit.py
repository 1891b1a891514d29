from dataclasses import replace

import pytest

from assay.corpus.example import Head
from assay.evaluation.decision_fit import fit_decision
from assay.evaluation.scored_predictions import scored_predictions
from assay.recipes.decision_section import DecisionRule
from tests.evaluation.predicted import predictions

PRECISION = DecisionRule.model_validate({"precision": 0.8})


def test_fit_decision_promises_a_precision_of_each_head() -> None:
    rows = predictions(3000, seed=1)
    heads: list[Head] = ["sentence", "tokens"]
    for head in heads:
        shown = scored_predictions(rows, head)
        decision = fit_decision(shown, PRECISION)
        decided = shown.decided_by(decision)
        evidence = decision.evidence
        assert decision.threshold is not None
        assert decision.by_class == {}
        assert decision.promise == "precision of what is decided at least 0.8 with 0.95 confidence"
        assert (evidence.predictions, evidence.clusters) == (3000, None)
        assert (evidence.decided, evidence.wrong) == (decided.sum(), (~shown.right[decided]).sum())
        assert evidence.bound is not None
        assert 0.8 <= evidence.bound < shown.right[decided].mean()
        assert 0.3 < decided.mean() < 1


def test_fit_decision_is_stricter_where_rows_come_in_clusters() -> None:
    single, grouped = (
        fit_decision(scored_predictions(predictions(1500, seed=2, rows_per_cluster=size), "sentence"), PRECISION)
        for size in (1, 5)
    )
    assert grouped.evidence.clusters == 300
    assert grouped.threshold is None or (single.threshold is not None and grouped.threshold > single.threshold)


def test_fit_decision_counts_entities_of_a_row_as_one_cluster() -> None:
    rows = [
        replace(row, predicted_entities=row.predicted_entities * 3, gold_entities=row.gold_entities)
        for row in predictions(200)
    ]
    shown = scored_predictions(rows, "tokens")
    assert (len(shown), fit_decision(shown, PRECISION).evidence.clusters) == (600, 200)


def test_fit_decision_leaves_everything_to_people_where_rows_are_too_few() -> None:
    decision = fit_decision(scored_predictions(predictions(10), "sentence"), PRECISION)
    assert (decision.threshold, decision.evidence.decided, decision.evidence.bound) == (None, 0, None)
    assert decision.evidence.required is not None
    assert decision.abstains("good", 1.0)


def test_fit_decision_of_costs_follows_the_confidence_at_which_a_person_is_cheaper() -> None:
    rule = DecisionRule.model_validate({"costs": {"wrong": 10, "abstain": 2}})
    decision = fit_decision(scored_predictions(predictions(6000, seed=4), "sentence"), rule)
    # of calibrated predictions, Chow's rule decides from 1 - abstain / wrong
    assert decision.threshold == pytest.approx(0.8, abs=0.08)
    assert decision.promise == (
        "a decided prediction costs less than one left to a person (wrong 10, person 2), with 0.95 confidence"
    )


def test_fit_decision_of_costs_asks_more_of_the_classes_whose_errors_cost_more() -> None:
    rule = DecisionRule.model_validate({"costs": {"wrong": 4, "wrong_by_class": {"bad": 20, "good": 2}, "abstain": 1}})
    decision = fit_decision(scored_predictions(predictions(6000, seed=4), "sentence"), rule)
    assert decision.threshold is not None
    strict, lenient = decision.by_class["bad"], decision.by_class["good"]
    assert strict > decision.threshold > lenient
    assert "(wrong 4, wrong bad 20, wrong good 2, person 1)" in decision.promise
    # the three thresholds stand for one expected cost
    assert [20 * (1 - strict), 2 * (1 - lenient)] == pytest.approx([4 * (1 - decision.threshold)] * 2, rel=1e-6)
    assert decision.abstains("bad", decision.threshold)
    assert not decision.abstains("good", lenient)
