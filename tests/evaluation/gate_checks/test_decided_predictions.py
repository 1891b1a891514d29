from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.evaluation.gate_checks.decided_predictions import check_abstained, check_decision
from assay.evaluation.gate_checks.precision_at import check_precision_at
from assay.registry.versions import Version
from assay.serving.decision import Decision, DecisionEvidence
from tests.decisions import a_decision
from tests.gate_candidates import FEWER_CLASSES, FEWER_ENTITIES, MakeCandidate, checks_of, labelled_rows

PROMISE: dict[str, Any] = {"precision": 0.95}
COSTS: dict[str, Any] = {"costs": {"wrong": 10, "abstain": 1}}
COST_PROMISE = "a decided prediction costs less than one left to a person (wrong 10, person 1), with 0.95 confidence"


ROWS = list(enumerate(labelled_rows()))


def deciding(decision: Decision, head: str = "sentence") -> dict[str, Any]:
    return {"decisions": {"fp32": {head: decision}}}


def test_check_decision_passes_a_promise_that_the_test_rows_show_again(
    candidate: MakeCandidate, tmp_path: Path
) -> None:
    # a quarter of the rows is wrong, with low confidence
    case = candidate(FEWER_CLASSES, decision={"sentence": PROMISE}, manifest=deciding(a_decision(0.8)))
    check = check_decision(case.context(tmp_path), "sentence")
    assert (check.passed, check.tested) == (True, True)
    assert check.measured == (
        "precision of what is decided 1.000 (95 % interval 0.980-1.000); 75.0% decided, 180 predictions; "
        "on validation rows 0.990, at least 0.970 with 95% confidence"
    )
    assert check.required == "precision of what is decided at least 0.95 with 0.95 confidence"
    assert check.why == "shown on validation rows, and again on test rows"
    metrics = case.evaluation.load().metrics
    assert (metrics["sentence.coverage"], metrics["sentence.precision_decided"]) == (0.75, 1.0)


def test_check_decision_refuses_a_promise_that_the_test_rows_show_to_be_broken(
    candidate: MakeCandidate, tmp_path: Path
) -> None:
    case = candidate(FEWER_CLASSES, decision={"sentence": PROMISE}, manifest=deciding(a_decision(0.0)))
    check = check_decision(case.context(tmp_path), "sentence")
    assert not check.passed
    assert check.measured.startswith("precision of what is decided 0.750 (95 % interval 0.69")
    assert check.why.startswith("the test rows show that the promise is broken")


def test_check_decision_passes_what_the_test_rows_neither_show_nor_contradict(
    candidate: MakeCandidate, tmp_path: Path
) -> None:
    manifest = deciding(a_decision(0.0, promise="precision of what is decided at least 0.76 with 0.95 confidence"))
    case = candidate(FEWER_CLASSES, decision={"sentence": {"precision": 0.76}}, manifest=manifest)
    check = check_decision(case.context(tmp_path), "sentence")
    assert check.passed
    assert check.why.endswith("the test rows do not contradict it, and are too few to show it again")


@pytest.mark.parametrize(
    ("required", "rule", "why"),
    [
        (250, PROMISE, "40 validation predictions are too few: about 250 like these are needed; add validation rows"),
        (None, PROMISE, "even the most confident ones are wrong too often; lower the promise, or improve the model"),
        (None, COSTS, "even the most confident ones are wrong too often; raise the cost of people, or improve"),
    ],
)
def test_check_decision_refuses_a_bundle_that_decides_nothing(
    candidate: MakeCandidate, tmp_path: Path, required: int | None, rule: dict[str, Any], why: str
) -> None:
    evidence = DecisionEvidence(predictions=40, decided=0, wrong=0, required=required)
    decision = a_decision(None, evidence=evidence, **({"promise": COST_PROMISE} if rule is COSTS else {}))
    case = candidate(decision={"sentence": rule}, manifest=deciding(decision), gate_rules={"allow_untested": True})
    check = check_decision(case.context(tmp_path), "sentence")
    assert not check.passed
    assert check.measured == "no threshold keeps the promise on validation rows: every prediction is left to a person"
    assert why in check.why


@pytest.mark.parametrize("allowed", [False, True])
def test_check_decision_of_too_few_decided_rows_is_not_tested(
    candidate: MakeCandidate, tmp_path: Path, allowed: bool
) -> None:
    # The model is sure of the first twelve rows only: it does not know the words of the others.
    rows = [row if number < 12 else replace(row, text="unheard words", entities=()) for number, row in ROWS]
    case = candidate(
        decision={"sentence": PROMISE},
        manifest=deciding(a_decision(0.8)),
        gate_rules={"allow_untested": allowed},
        rows=rows,
    )
    check = check_decision(case.context(tmp_path), "sentence")
    assert (check.passed, check.tested) == (allowed, False)
    assert "5.0% decided, 12 predictions" in check.measured
    assert "12 decided test predictions are too few to test the promise" in check.why


def test_check_decision_refuses_a_bundle_that_decides_no_test_row(candidate: MakeCandidate, tmp_path: Path) -> None:
    case = candidate(
        decision={"sentence": PROMISE}, manifest=deciding(a_decision(0.999)), gate_rules={"allow_untested": True}
    )
    check = check_decision(case.context(tmp_path), "sentence")
    assert (check.passed, check.tested) == (False, True)
    assert check.measured.startswith("none of 240 predictions is decided; on validation rows 0.990")
    assert check.why.startswith("every test prediction is left to a person; check that validation and test rows")


@pytest.mark.parametrize(
    ("labelled", "why"),
    [
        (True, "the model predicts no entities on 240 labelled test rows; improve the model"),
        (False, "no test row is labelled with entities; add labelled test rows"),
    ],
)
def test_checks_of_a_head_that_predicts_nothing_say_so(
    candidate: MakeCandidate, tmp_path: Path, labelled: bool, why: str
) -> None:
    rows = labelled_rows() if labelled else [replace(row, entities=None) for row in labelled_rows()]
    rules = {"max_abstain": {"tokens": 0.5}, "min_precision_at": {"tokens": {"coverage": 0.5, "precision": 0.5}}}
    case = candidate(
        entities={"unheard": "COMPANY", "unseen": "PLACE"},
        decision={"tokens": PROMISE},
        manifest=deciding(a_decision(0.5), "tokens"),
        gate_rules=rules,
        rows=rows,
    ).context(tmp_path)
    checks = [check(case, "tokens") for check in (check_decision, check_abstained, check_precision_at)]
    assert [(check.passed, check.why) for check in checks] == [(False, why)] * 3


def test_check_decision_of_costs_weighs_errors(candidate: MakeCandidate, tmp_path: Path) -> None:
    manifest = deciding(a_decision(0.8, promise=COST_PROMISE, precision=None))
    check = check_decision(
        candidate(FEWER_CLASSES, decision={"sentence": COSTS}, manifest=manifest).context(tmp_path), "sentence"
    )
    assert check.passed
    assert check.measured.startswith("a decided prediction costs 0 on average, one left to a person 1; 0.25 over all")


def test_checks_use_the_thresholds_of_the_precision_that_predicted_the_test_rows(
    candidate: MakeCandidate, tmp_path: Path
) -> None:
    # given test rows that a machine with bf16 has predicted, whose thresholds differ from those of int8
    decisions = {"int8": {"sentence": a_decision(0.999)}, "bf16": {"sentence": a_decision(0.8)}}
    made = candidate(
        FEWER_CLASSES,
        decision={"sentence": PROMISE},
        manifest={"precision": "int8", "bf16": True, "decisions": decisions},
        gate_rules={"max_abstain": {"sentence": 0.3}},
    )
    case = made.context(tmp_path)
    case.__dict__["evaluation"] = case.evaluation.model_copy(update={"precision": "bf16"})
    case.evaluation.rows = made.evaluation.load().rows
    # when this machine serves int8, then the checks are still about bf16
    assert "75.0% decided, 180 predictions" in check_decision(case, "sentence").measured
    assert check_abstained(case, "sentence").measured.startswith("0.250")


def test_check_decision_counts_entities(candidate: MakeCandidate, tmp_path: Path) -> None:
    case = candidate(decision={"tokens": PROMISE}, manifest=deciding(a_decision(0.5), "tokens"))
    check = check_decision(case.context(tmp_path), "tokens")
    assert check.passed
    assert "100.0% decided, 240 predictions" in check.measured


def test_check_decision_compares_with_the_champion_at_equal_coverage(
    candidate: MakeCandidate, tmp_path: Path, champion: Version, champion_store: Path
) -> None:
    case = candidate(
        entities=FEWER_ENTITIES,
        decision={"sentence": PROMISE},
        manifest=deciding(a_decision(0.0)),
        in_store=champion_store,
    )
    check = check_decision(case.context(tmp_path), "sentence")
    # the champion lacks a word, so that it is wrong in a quarter of the rows
    assert f"; version {champion.number} at equal coverage 0.750 (95 % interval" in check.measured
    assert check.metrics == {"champion_precision_decided_sentence": 0.75}


@pytest.mark.parametrize("manifest", [{}, deciding(a_decision(promise="another"))])
def test_gate_refuses_a_bundle_without_the_decision_of_the_recipe(
    candidate: MakeCandidate, manifest: dict[str, Any]
) -> None:
    check = checks_of(candidate(decision={"sentence": PROMISE}, manifest=manifest).verdict())["decision: sentence"]
    assert not check.passed
    assert "does not hold decision.sentence of the recipe; run with --from export" in check.why


@pytest.mark.parametrize(("limit", "passed"), [(0.2, False), (0.3, True)])
def test_check_abstained_limits_what_is_left_to_people(
    candidate: MakeCandidate, tmp_path: Path, limit: float, passed: bool
) -> None:
    case = candidate(
        FEWER_CLASSES,
        decision={"sentence": PROMISE},
        manifest=deciding(a_decision(0.8)),
        gate_rules={"max_abstain": {"sentence": limit}},
    )
    check = check_abstained(case.context(tmp_path), "sentence")
    assert check.passed is passed
    assert check.measured.startswith("0.250 (95 % interval 0.19")
    assert check.required == f"at most {limit:.0%} left to a person (gate.max_abstain.sentence)"
