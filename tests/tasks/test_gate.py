"""The gate with real bundles, known predictions, and a real registry."""

import shutil
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Verdict
from assay.serving.bundle import Bundle
from tests.gate_candidates import ALL_CLASSES, ALL_ENTITIES, FEWER_CLASSES, MakeCandidate, a_run, checks_of


def test_gate_passes_a_sound_candidate(candidate: MakeCandidate) -> None:
    # Given a perfect model, slices to judge, limits to keep, and no champion yet,
    rules = {"slices": {"columns": ["medium"]}, "max_p95_ms": 1000, "max_size_mb": 1}
    case = candidate(gate_rules=rules)
    # when it comes before the gate,
    verdict = case.verdict()
    # then every check was made and passed, and the verdict names what it is about.
    assert [check.name for check in verdict.checks] == [
        "data",
        "score: sentence",
        "score: tokens",
        "champion: sentence",
        "champion: tokens",
        "slice: medium=web (sentence)",
        "slice: medium=radio (sentence)",
        "slice: medium=web (tokens)",
        "slice: medium=radio (tokens)",
        "parity",
        "precision",
        "smoke",
        "latency",
        "size",
    ]
    assert verdict.failed == []
    assert verdict.outcome == "passed"
    assert verdict.bundle == Bundle.load(case.export.path / "bundle").digest
    assert (verdict.snapshot, verdict.splits, verdict.champion) == (case.snapshot.digest, case.splits.digest, None)
    assert checks_of(verdict)["champion: sentence"].measured == "no champion yet"
    assert checks_of(verdict)["score: sentence"].measured == "1.000 (95 % interval 1.000-1.000)"
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_gate_writes_nothing_and_is_not_cached(candidate: MakeCandidate, store: Path) -> None:
    case = candidate()
    before = sorted(store.rglob("*"))
    case.verdict()
    assert sorted(store.rglob("*")) == before
    # A fault that comes up later is seen at once.
    (case.export.path / "export.json").unlink()
    assert {check.name for check in case.verdict().failed} == {"parity", "precision"}


def test_gate_omits_checks_that_the_recipe_does_not_set(candidate: MakeCandidate) -> None:
    names = {check.name for check in candidate().verdict().checks}
    assert not {"latency", "size"} & names
    assert not [name for name in names if name.startswith("slice")]


def test_gate_runs_all_checks_after_a_failure(candidate: MakeCandidate) -> None:
    case = candidate(FEWER_CLASSES, gate_rules={"min_f1": {"sentence": 0.9, "tokens": 0.9}}, critical=True)
    verdict = case.verdict()
    assert {check.name for check in verdict.failed} == {"data", "score: sentence"}
    assert len(verdict.checks) == 8
    assert verdict.outcome == "refused"


def test_gate_refuses_a_slice_below_the_threshold(candidate: MakeCandidate) -> None:
    # Given a model that does not know the word of the radio's rows,
    case = candidate(FEWER_CLASSES, gate_rules={"slices": {"columns": ["medium"]}})
    verdict = case.verdict()
    # then the radio's sentences fall short, and its entities do not.
    assert [check.name for check in verdict.failed] == ["slice: medium=radio (sentence)"]
    assert "more than chance" in verdict.failed[0].why


def test_gate_checks_counterfactuals_if_the_recipe_asks(candidate: MakeCandidate) -> None:
    # Given a recipe that puts one town for another, and a model that does not mind,
    swaps = {"lists": [], "terms": {"towns": [["berlin", "munich"]]}, "max_flips": 0.0}
    fair = candidate(gate_rules={"counterfactual": swaps}).verdict()
    checks = checks_of(fair)
    # then there is a check for each head, and it passes.
    assert [name for name in checks if name.startswith("counterfactual")] == [
        "counterfactual: towns (sentence)",
        "counterfactual: towns (tokens)",
    ]
    assert checks["counterfactual: towns (sentence)"].measured == "0 of 120 swaps change the prediction (0.0%)"
    assert fair.outcome == "passed"


def test_gate_refuses_an_untested_counterfactual_check(candidate: MakeCandidate) -> None:
    verdict = candidate(gate_rules={"counterfactual": {"lists": ["religions"]}}).verdict()
    assert {check.name for check in verdict.failed} == {
        "counterfactual: religions (sentence)",
        "counterfactual: religions (tokens)",
    }
    assert all("only 0 swaps could be made" in check.why for check in verdict.failed)


def test_gate_counts_an_error_in_a_check_as_failed(candidate: MakeCandidate) -> None:
    # Given evidence that is not there,
    case = candidate(gate_rules={"slices": {"columns": ["medium"]}})
    shutil.rmtree(case.evaluation.path)
    # then what rests on it has failed with the error as its reason, and the rest was judged.
    verdict = case.verdict()
    resting = {f"{what}: {head}" for what in ("score", "untested") for head in ("sentence", "tokens")}
    assert {check.name for check in verdict.failed} == {*resting, "slices"}
    assert all("holds no evaluation.json" in check.why for check in verdict.failed)


def test_gate_needs_a_registry(candidate: MakeCandidate, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an MLflow server that is not there: not the candidate's fault, so that the run stays open.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    made = candidate()
    made.run = made.run.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(AssayError, match=r"MLflow at http://127.0.0.1:9"):
        made.verdict()


def test_gate_refuses_untested_classes_unless_allowed(candidate: MakeCandidate, store: Path) -> None:
    # Given a bundle that predicts a class and an entity type which no test row holds,
    made = candidate(ALL_CLASSES | {"so": "neutral"}, ALL_ENTITIES | {"mary": "PERSON"})
    verdict = made.verdict()
    # then each is a line of the verdict that refuses,
    assert [(check.name, check.measured) for check in verdict.failed] == [
        ("class: neutral (sentence)", "not tested: no test row"),
        ("entity type: PERSON (tokens)", "not tested: no test row"),
    ]
    # and where the recipe allows it, one that reports.
    made.run = a_run(store, {"allow_untested": True})
    allowed = made.verdict()
    assert allowed.outcome == "passed"
    check = checks_of(allowed)["class: neutral (sentence)"]
    assert (check.passed, check.tested) == (True, False)
