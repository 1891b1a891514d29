from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.evaluation.gate_checks.standard import (
    check_data,
    check_latency,
    check_parity,
    check_precision,
    check_score,
    check_size,
    check_smoke,
)
from assay.recipes.recipe import Head
from assay.registry.champion_rollback import roll_back
from assay.registry.model_registry import ModelRegistry
from tests.gate_candidates import FEWER_CLASSES, FEWER_ENTITIES, MakeCandidate, a_run, checks_of, labelled_rows


def test_check_data_refuses_a_critical_fault(candidate: MakeCandidate, tmp_path: Path) -> None:
    check = check_data(candidate(critical=True).context(tmp_path))
    assert not check.passed
    assert check.measured == "1 of 1 checks failed critically"
    assert check.why == "unique-ids: the id 'r7' stands for two rows"


def test_check_data_refuses_unchecked_data(candidate: MakeCandidate, tmp_path: Path) -> None:
    case = candidate().context(tmp_path)
    unchecked = case.validation.model_copy(update={"checks": []})
    case.__dict__["validation"] = unchecked
    check = check_data(case)
    assert (check.passed, check.why) == (False, "no check was run")


def test_check_score_refuses_one_below_the_threshold(candidate: MakeCandidate, tmp_path: Path) -> None:
    case = candidate(FEWER_CLASSES, gate_rules={"min_f1": {"sentence": 0.9, "tokens": 0.9}}).context(tmp_path)
    check = check_score(case, "sentence")
    assert not check.passed
    assert check.required == "sentence.macro_f1 at least 0.9"
    assert check.measured.startswith("0.733 (95 % interval 0.6")
    assert check.why == "below gate.min_f1.sentence by 0.167"
    assert check_score(case, "tokens").passed


def test_check_score_names_the_training_warnings_of_its_own_head(candidate: MakeCandidate, tmp_path: Path) -> None:
    warnings = [{"head": None, "text": "no fall"}, {"head": "sentence", "text": "one class"}]
    rules = {"min_f1": {"sentence": 0.99, "tokens": 0.99}}
    made = candidate(FEWER_CLASSES, FEWER_ENTITIES, gate_rules=rules, report={"training_warnings": warnings})
    case = made.context(tmp_path)
    assert check_score(case, "sentence").why.endswith("; no fall; one class")
    assert check_score(case, "tokens").why.endswith("; no fall")


def test_check_score_refuses_an_undefined_one(candidate: MakeCandidate, tmp_path: Path) -> None:
    # Given rows that say nothing about entities,
    rows = [replace(row, entities=None) for row in labelled_rows()]
    check = check_score(candidate(rows=rows).context(tmp_path), "tokens")
    assert not check.passed
    assert check.why == "no row holds an entity"


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"parity_max_difference": 0.01}, "gate.parity_tolerance"),
        ({"parity_labels_equal": False}, "predicts other labels"),
        ({"parity_rows": 0}, "no row was compared"),
    ],
)
def test_check_parity_refuses_an_export_without_it(
    candidate: MakeCandidate, tmp_path: Path, report: dict[str, Any], reason: str
) -> None:
    check = check_parity(candidate(report=report).context(tmp_path))
    assert not check.passed
    assert reason in check.why


@pytest.mark.parametrize(
    ("head", "limit", "rows", "passed", "why"),
    [
        ("sentence", 0.9, 240, True, "within the limit"),
        ("tokens", 1e-9, 240, False, "more validation rows"),
        ("sentence", 0.9, 16, False, "too few predictions"),
    ],
)
def test_check_calibration_is_made_where_the_recipe_limits_it(
    candidate: MakeCandidate, head: Head, limit: float, rows: int, passed: bool, why: str
) -> None:
    verdict = candidate(gate_rules={"max_ece": {head: limit}}, rows=labelled_rows(rows)).verdict()
    [check] = [check for check in verdict.checks if check.name.startswith("calibration")]
    assert (check.name, check.passed) == (f"calibration: {head}", passed)
    assert f"gate.max_ece.{head}" in check.required
    assert why in check.why


@pytest.mark.parametrize(
    ("drop", "reason"),
    [({"sentence": 0.001, "tokens": 0.02}, "lowers F1 of tokens"), ({"sentence": 0.0}, "not measured for tokens")],
)
def test_check_precision_refuses_int8_with_a_large_or_unmeasured_drop(
    candidate: MakeCandidate, tmp_path: Path, drop: dict[str, float], reason: str
) -> None:
    check = check_precision(candidate(**int8_with(drop)).context(tmp_path))
    assert not check.passed
    assert reason in check.why


def test_check_precision_passes_int8_within_the_limit(candidate: MakeCandidate, tmp_path: Path) -> None:
    check = check_precision(candidate(**int8_with({"sentence": 0.001, "tokens": -0.002})).context(tmp_path))
    assert check.passed
    assert check.measured == (
        "int8 ships; drop of F1 by int8 +0.0010 (sentence), -0.0020 (tokens); with other rows in the batch 0.00% of "
        "the labels and 0.00% of the entities change (a probability by 0.000 at most), 240 rows"
    )


def test_check_precision_refuses_a_bundle_of_another_precision(candidate: MakeCandidate, tmp_path: Path) -> None:
    check = check_precision(candidate(report={"precision": "int8"}).context(tmp_path))
    assert not check.passed
    assert check.why == "the bundle is fp32, but export chose int8"


def int8_with(drop: dict[str, float]) -> dict[str, Any]:
    one = {
        "precision": "int8",
        "f1": {},
        "drop": drop,
        "changed": 0.0,
        "rows": 50,
        "rows_per_second": 1.0,
        "row_ms": 1.0,
    }
    return {"report": {"precision": "int8", "measured": [one]}, "manifest": {"precision": "int8"}}


def test_check_latency_and_size_have_limits(candidate: MakeCandidate, tmp_path: Path) -> None:
    case = candidate().context(tmp_path)
    assert check_latency(case, 1000).passed
    assert check_latency(case, 1e-6).why == "above gate.max_p95_ms on this machine"
    assert check_size(case, 1).passed
    assert check_size(case, 1e-6).why == "above gate.max_size_mb"


def test_check_smoke_refuses_other_predictions_than_at_export(candidate: MakeCandidate, tmp_path: Path) -> None:
    golden = [{"text": "good apple", "label": "negative", "probabilities": [0.9, 0.1], "entities": []}]
    check = check_smoke(candidate(manifest={"golden": golden}).context(tmp_path))
    assert not check.passed
    assert "golden row 0" in check.why


@pytest.mark.usefixtures("champion")
def test_check_latency_reports_that_of_the_champion(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    assert "the champion" in check_latency(candidate(in_store=champion_store).context(tmp_path), 1000).measured


def test_check_rollback_refuses_the_bundle_without_approval(
    candidate: MakeCandidate, store: Path, deserted: MlflowClient
) -> None:
    # Given a bundle that was champion and was rolled back,
    registry = ModelRegistry("toy", f"sqlite:///{store}/mlflow.db", store)
    made = candidate(FEWER_CLASSES, FEWER_ENTITIES)
    roll_back(registry, "1", "insults customers")
    # when it is made again, then the gate says so,
    check = checks_of(made.verdict())["rollback"]
    assert not check.passed
    assert "version 2 holds this bundle and was rolled back on" in check.why
    assert "insults customers; train another model, or promote it with --force REASON" in check.why
    # and leaves it to the person whom the recipe asks.
    made.run = a_run(store, {"approval": "required"})
    check = checks_of(made.verdict())["rollback"]
    assert (check.passed, check.tested) == (True, False)
    assert "insults customers; a person must approve it" in check.why
