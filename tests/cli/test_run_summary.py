from pathlib import Path
from typing import Any

import pytest

from assay.cli.run_summary import RunSummary, summarise
from assay.evaluation.bundle_evaluation import score_bundle
from assay.evaluation.verdict import Check, Verdict
from assay.flows.training import TrainingOutcome
from assay.recipes.gate_section import Gate
from assay.registry.promotion import PromotionResult
from assay.registry.versions import Version
from tests.bundles import build_bundle
from tests.evaluation.joint_rows import CLASSES, joint_examples

GATE = Gate(min_f1={"sentence": 0.7})
VERSION = Version(name="toy", number="3", tags={})


def a_check(name: str = "score: sentence", *, passed: bool = True, **metrics: float) -> Check:
    return Check(name=name, measured="1", required="0", passed=passed, why="", metrics=metrics)


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    bundle = build_bundle(tmp_path / "bundle", CLASSES, {})
    score_bundle(bundle, joint_examples(), threads=1).save(tmp_path)
    return tmp_path


def summary_of(evaluation: Path, *checks: Check, **promotion: Any) -> RunSummary:
    verdict = Verdict(recipe="r", bundle="b", snapshot="s", splits="p", champion="2", checks=list(checks))
    fields: dict[str, Any] = {"version": VERSION, "promoted": False, "why": "why", **promotion}
    outcome = TrainingOutcome(
        run="k",
        mlflow_run="m",
        tracking_uri="sqlite:///mlflow.db",
        verdict=verdict,
        promotion=PromotionResult(**fields),
        evaluation=evaluation,
        card=Path("card.html"),
    )
    return summarise(outcome, "tiny", "toy", GATE)


@pytest.mark.parametrize(
    ("promotion", "passed", "outcome", "address"),
    [
        ({"promoted": True}, True, "promoted", "models:/toy@champion"),
        ({"pending": True}, True, "pending", "models:/toy/3"),
        ({}, False, "refused", "models:/toy/3"),
        ({}, True, "refused", "models:/toy/3"),  # the gate passed, and a person refused
        ({"version": None}, True, "passed", None),
        ({"version": None}, False, "refused", None),
    ],
)
def test_summarise_tells_the_outcome_and_the_address(
    evaluation: Path, promotion: dict[str, Any], passed: bool, outcome: str, address: str | None
) -> None:
    summary = summary_of(evaluation, a_check(passed=passed), **promotion)
    assert (summary.outcome, summary.address) == (outcome, address)


def test_summarise_holds_scores_and_checks(evaluation: Path) -> None:
    failed = a_check("latency", passed=False)
    summary = summary_of(evaluation, a_check("baseline", baseline_f1_sentence=0.4), failed)
    [score] = summary.scores
    assert (score.head, score.threshold, score.baseline) == ("sentence", 0.7, 0.4)
    assert score.f1 == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert summary.failed == [failed]
    assert (summary.compared_with, summary.run, summary.mlflow_run, summary.card) == ("2", "k", "m", "card.html")
    assert RunSummary.model_validate_json(summary.model_dump_json()) == summary


def test_headline_counts_failed_checks_or_gives_the_reason(evaluation: Path) -> None:
    refused = summary_of(evaluation, a_check(), a_check("latency", passed=False))
    assert refused.headline == "toy version 3: refused, 1 of 2 checks failed"
    person = summary_of(evaluation, a_check(), why="refused by Ann")
    assert person.headline == "toy version 3: refused by Ann"
    dry = summary_of(evaluation, a_check(), version=None, why="dry run: passed, nothing registered")
    assert dry.headline == "toy (nothing registered): dry run: passed, nothing registered"
