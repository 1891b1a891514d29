from dataclasses import replace
from pathlib import Path

import pytest

from assay.evaluation.gate_checks.precision_at import check_precision_at
from assay.recipes.recipe import Head
from tests.gate_candidates import FEWER_CLASSES, MakeCandidate, checks_of


def rules(head: Head, coverage: float, precision: float) -> dict[str, object]:
    return {"min_precision_at": {head: {"coverage": coverage, "precision": precision}}}


@pytest.mark.parametrize("head", ["sentence", "tokens"])
def test_check_precision_at_is_made_where_the_recipe_asks(candidate: MakeCandidate, head: Head) -> None:
    verdict = candidate(gate_rules=rules(head, 0.8, 0.95)).verdict()
    check = checks_of(verdict)[f"precision at 80%: {head}"]
    assert check.passed
    assert f"(gate.min_precision_at.{head})" in check.required
    assert verdict.metrics[f"{head}.precision_at_coverage"] == 1.0
    assert verdict.metrics[f"{head}.precision_at_coverage.low"] > 0.95


def test_check_precision_at_refuses_and_states_the_coverage_that_holds(
    candidate: MakeCandidate, tmp_path: Path
) -> None:
    # Given a model that answers a quarter of the rows wrongly, with the least confidence,
    context = candidate(FEWER_CLASSES, gate_rules=rules("sentence", 0.8, 0.95)).context(tmp_path)
    context.evaluation.rows[:] = [
        replace(row, probabilities=(0.9, 0.1) if row.gold == row.predicted else (0.6, 0.4))
        for row in context.evaluation.rows
    ]
    # then it is refused, and the reason tells the share that is right.
    check = check_precision_at(context, "sentence")
    assert not check.passed
    assert check.measured.startswith("0.750 (95 % interval 0.69")
    assert "180 of 240 rows with a confidence of at least 0.600 (100% of all)" in check.measured
    assert check.why == ("below gate.min_precision_at.sentence.precision by 0.200; it is reached at 75% coverage")


def test_check_precision_at_counts_clusters(candidate: MakeCandidate, tmp_path: Path) -> None:
    context = candidate(gate_rules=rules("sentence", 1.0, 0.95)).context(tmp_path)
    context.evaluation.rows[:] = [
        replace(row, cluster=f"d{number // 24}") for number, row in enumerate(context.evaluation.rows)
    ]
    check = check_precision_at(context, "sentence")
    assert "240 of 240 rows in 10 clusters" in check.measured
    assert check.passed
    assert check.why.startswith("reaches the threshold, but may be 0.6")


def test_check_precision_at_refuses_a_head_without_predictions(candidate: MakeCandidate, tmp_path: Path) -> None:
    context = candidate(gate_rules=rules("tokens", 0.5, 0.1)).context(tmp_path)
    context.evaluation.rows[:] = [replace(row, predicted_entities=()) for row in context.evaluation.rows]
    check = check_precision_at(context, "tokens")
    assert (check.passed, check.measured) == (False, "not tested: no prediction")
