"""The gate with real bundles, known predictions, and a real registry with a champion."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.export_report import ExportReport
from assay.evaluation.gate_checks.baseline import check_baseline
from assay.evaluation.gate_checks.champion import check_champion
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.gate_checks.standard import (
    check_data,
    check_latency,
    check_parity,
    check_precision,
    check_score,
    check_size,
    check_smoke,
)
from assay.evaluation.row_sample import sample_rows
from assay.evaluation.run_results import RunResults
from assay.evaluation.slice_checks import check_slices
from assay.evaluation.verdict import Check, Verdict
from assay.expectations.validation_report import CheckResult, ValidationReport
from assay.recipes.recipe import Gate, Head, Recipe
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import registry_of
from assay.registry.versions import Version
from assay.runs.run import Run
from assay.serving.bundle import MODEL, Bundle
from assay.tasks.evaluate import evaluate
from assay.tasks.gate import gate
from tests.results import some_results
from tests.snapshots import recipe_values, write_snapshot

ALL_CLASSES = {"good": "positive", "fine": "positive", "bad": "negative", "poor": "negative"}
ALL_ENTITIES = {"apple": "COMPANY", "ibm": "COMPANY", "berlin": "PLACE", "munich": "PLACE"}
# A model that does not know these words answers a quarter of the rows wrongly, on each head.
FEWER_CLASSES = {word: label for word, label in ALL_CLASSES.items() if word != "fine"}
FEWER_ENTITIES = {word: label for word, label in ALL_ENTITIES.items() if word != "munich"}
LEDGER = "ledger-1"

MakeBundle = Callable[..., Bundle]


def labelled_rows(count: int = 240) -> list[Example]:
    """Return every class word with every entity word; the rows with `fine` come from the radio."""
    rows = []
    for number in range(count):
        word, entity = list(ALL_CLASSES)[number % 4], list(ALL_ENTITIES)[number // 4 % 4]
        span = Entity(len(word) + 1, len(word) + 1 + len(entity), ALL_ENTITIES[entity])
        medium = {"medium": "radio" if word == "fine" else "web"}
        rows.append(Example(f"r{number}", f"{word} {entity}", label=ALL_CLASSES[word], entities=(span,), slices=medium))
    return rows


PAIRS = [replace(row, text_pair="so it is") for row in labelled_rows()]


@dataclass
class Candidate:
    """The inputs of the gate."""

    run: Run
    validation: ArtifactRef[ValidationReport]
    export: ArtifactRef[ExportReport]
    evaluation: ArtifactRef[Evaluation]
    snapshot: ArtifactRef[Snapshot]
    splits: ArtifactRef[Splits]

    def verdict(self) -> Verdict:
        return gate.fn(self.run, self.results)

    @property
    def results(self) -> RunResults:
        return some_results(
            validation=self.validation,
            export=self.export,
            evaluation=self.evaluation,
            snapshot=self.snapshot,
            splits=self.splits,
        )

    def context(self, folder: Path) -> GateContext[Version]:
        """Return the context of single checks; `folder` takes the champion's bundle."""
        return GateContext(self.run.recipe, self.results, registry_of(self.run), folder / "champion")


def checks_of(verdict: Verdict) -> dict[str, Check]:
    return {check.name: check for check in verdict.checks}


MakeCandidate = Callable[..., Candidate]


@pytest.fixture
def candidate(tmp_path: Path, store: Path, make_bundle: MakeBundle) -> MakeCandidate:
    """Return `make(...)`, which makes a sound candidate; each part of it can be replaced."""

    def make(
        classes: dict[str, str] | None = None,
        entities: dict[str, str] | None = None,
        *,
        gate_rules: dict[str, Any] | None = None,
        rows: Sequence[Example] | None = None,
        in_store: Path = store,
        critical: bool = False,
        ledger: str | None = LEDGER,
        seen_in_training: int = 0,
        report: dict[str, Any] | None = None,
        manifest: dict[str, Any] | None = None,
        training: Sequence[Example] = (),
    ) -> Candidate:
        run = a_run(in_store, gate_rules or {})
        bundle = make_bundle("export/bundle", classes or ALL_CLASSES, entities or ALL_ENTITIES, **(manifest or {}))
        snapshot = write_snapshot(tmp_path / "snapshot", [*(rows or labelled_rows()), *training], ["medium"])
        splits = write_splits(tmp_path / "splits", snapshot, ledger, seen_in_training, training)
        export = ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest)
        an_export_report(report or {}).save(export.path)
        validation = write_validation(tmp_path / "validation", snapshot, critical)
        run_here = run.model_copy(update={"store": tmp_path / "steps"})
        return Candidate(run, validation, export, evaluate.fn(run_here, export, snapshot, splits), snapshot, splits)

    return make


def a_run(store: Path, rules: dict[str, Any]) -> Run:
    values = recipe_values(
        model={"scratch": {}, "heads": ["sentence", "tokens"]},
        gate={"min_f1": {"sentence": 0.6, "tokens": 0.6}, "baseline": "off", **rules},
        registry={"name": "toy"},
    )
    values["source"]["fields"]["slices"] = {"medium": "medium"}
    uri = f"sqlite:///{store}/mlflow.db"
    return Run(key="k", recipe=Recipe.model_validate(values), store=store, tracking_uri=uri, mlflow_run="none")


def write_splits(
    folder: Path,
    snapshot: ArtifactRef[Snapshot],
    ledger: str | None,
    seen_in_training: int,
    training: Sequence[Example],
) -> ArtifactRef[Splits]:
    test: dict[str, SplitName] = {row.id: "test" for row in labelled_rows()}
    splits = Splits.create(
        test | {row.id: "train" for row in training},
        snapshot=snapshot.digest,
        method="stratified",
        ledger=ledger,
        seen_in_training=seen_in_training,
    )
    folder.mkdir()
    splits.save(folder)
    return ArtifactRef[Splits](path=folder, digest=splits.digest)


def write_validation(folder: Path, snapshot: ArtifactRef[Snapshot], critical: bool) -> ArtifactRef[ValidationReport]:
    check = CheckResult(
        name="unique-ids",
        severity="critical",
        passed=not critical,
        measured="2 repeated ids",
        required="none",
        why="the id 'r7' stands for two rows",
    )
    folder.mkdir()
    ValidationReport(kind="joint", snapshot=snapshot.digest, rows=240, checks=[check]).save(folder)
    return ArtifactRef[ValidationReport](path=folder, digest="v")


class _Report(ExportReport):
    def save(self, folder: Path) -> None:
        (folder / "export.json").write_text(self.model_dump_json(), encoding="utf-8")


def an_export_report(changes: dict[str, Any]) -> _Report:
    values: dict[str, Any] = {
        "parity_max_difference": 2e-6,
        "parity_labels_equal": True,
        "parity_rows": 100,
        "precision": "fp32",
        "size_mb": 0.1,
        "why": "gate.precision is fp32",
    }
    return _Report.model_validate({**values, **changes})


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


def test_gate_refuses_data_with_a_critical_fault(candidate: MakeCandidate, tmp_path: Path) -> None:
    check = check_data(candidate(critical=True).context(tmp_path))
    assert not check.passed
    assert check.measured == "1 of 1 checks failed critically"
    assert check.why == "unique-ids: the id 'r7' stands for two rows"


def test_gate_refuses_unchecked_data(candidate: MakeCandidate, tmp_path: Path) -> None:
    case = candidate().context(tmp_path)
    unchecked = case.validation.model_copy(update={"checks": []})
    case.__dict__["validation"] = unchecked
    check = check_data(case)
    assert (check.passed, check.why) == (False, "no check was run")


def test_gate_refuses_a_score_below_the_threshold(candidate: MakeCandidate, tmp_path: Path) -> None:
    case = candidate(FEWER_CLASSES, gate_rules={"min_f1": {"sentence": 0.9, "tokens": 0.9}}).context(tmp_path)
    check = check_score(case, "sentence")
    assert not check.passed
    assert check.required == "sentence.macro_f1 at least 0.9"
    assert check.measured.startswith("0.733 (95 % interval 0.6")
    assert check.why == "below gate.min_f1.sentence by 0.167"
    assert check_score(case, "tokens").passed


def test_gate_refuses_an_undefined_score(candidate: MakeCandidate, tmp_path: Path) -> None:
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
def test_gate_refuses_an_export_without_parity(
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
def test_gate_tests_calibration_where_the_recipe_limits_it(
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
def test_gate_refuses_int8_with_a_large_or_unmeasured_drop(
    candidate: MakeCandidate, tmp_path: Path, drop: dict[str, float], reason: str
) -> None:
    check = check_precision(candidate(**int8_with(drop)).context(tmp_path))
    assert not check.passed
    assert reason in check.why


def test_gate_passes_int8_within_the_limit(candidate: MakeCandidate, tmp_path: Path) -> None:
    check = check_precision(candidate(**int8_with({"sentence": 0.001, "tokens": -0.002})).context(tmp_path))
    assert check.passed
    assert check.measured == (
        "int8 ships; drop of F1 by int8 +0.0010 (sentence), -0.0020 (tokens); with other rows in the batch 0.00% of "
        "the labels and 0.00% of the entities change (a probability by 0.000 at most), 240 rows"
    )


def test_gate_refuses_a_bundle_of_another_precision(candidate: MakeCandidate, tmp_path: Path) -> None:
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


def test_gate_checks_limits_of_latency_and_size(candidate: MakeCandidate, tmp_path: Path) -> None:
    case = candidate().context(tmp_path)
    assert check_latency(case, 1000).passed
    assert check_latency(case, 1e-6).why == "above gate.max_p95_ms on this machine"
    assert check_size(case, 1).passed
    assert check_size(case, 1e-6).why == "above gate.max_size_mb"


def test_gate_smoke_test_refuses_other_predictions_than_at_export(candidate: MakeCandidate, tmp_path: Path) -> None:
    golden = [{"text": "good apple", "label": "negative", "probabilities": [0.9, 0.1], "entities": []}]
    check = check_smoke(candidate(manifest={"golden": golden}).context(tmp_path))
    assert not check.passed
    assert "golden row 0" in check.why


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


def test_gate_refuses_results_of_another_bundle(
    candidate: MakeCandidate, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    made = candidate()
    worse = make_bundle("other/bundle", FEWER_CLASSES, ALL_ENTITIES)
    made.export = ArtifactRef[ExportReport](path=worse.folder.parent, digest=worse.digest)
    with pytest.raises(AssayError, match=r"is about bundle .* run with --from evaluate"):
        check_score(made.context(tmp_path), "sentence")


def test_gate_refuses_a_validation_of_other_data(candidate: MakeCandidate, tmp_path: Path) -> None:
    made = candidate()
    made.validation = write_validation(
        tmp_path / "old", ArtifactRef[Snapshot](path=tmp_path, digest="f" * 64), critical=False
    )
    with pytest.raises(AssayError, match=r"is about snapshot ffff.* run with --from validate"):
        check_data(made.context(tmp_path))


@pytest.fixture(scope="module")
def champion_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the champion `toy`, which lacks one word for each head."""
    return tmp_path_factory.mktemp("champion")


@pytest.fixture
def champion(champion_store: Path, store: Path, make_bundle: MakeBundle) -> Version:
    """Return the champion of `champion_store`, registered on first use."""
    database = champion_store / "mlflow.db"
    if not database.exists():
        shutil.copy(store / "mlflow.db", database)
        register_champion(champion_store, make_bundle("champion", FEWER_CLASSES, FEWER_ENTITIES))
    found = ModelRegistry("toy", f"sqlite:///{database}", champion_store).champion()
    assert found is not None
    return found


def register_champion(store: Path, bundle: Bundle) -> None:
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name("toy")
    experiment = (
        found.experiment_id
        if found
        else client.create_experiment("toy", artifact_location=(store / "artifacts").as_uri())
    )
    run_id = client.create_run(experiment).info.run_id
    passed = Check(name="data", measured="", required="", passed=True, why="")
    verdict = Verdict(recipe="r", bundle=bundle.digest, snapshot="s", splits="p", champion=None, checks=[passed])
    registry = ModelRegistry("toy", uri, store)
    version = registry.register(run_id, bundle.folder, verdict, {"assay.ledger": LEDGER})
    registry.promote(version, verdict, registry.champion(), "the first")


@pytest.mark.usefixtures("champion")
def test_gate_passes_a_better_candidate(candidate: MakeCandidate, champion_store: Path) -> None:
    case = candidate(in_store=champion_store, gate_rules={"champion": {"improve": True}})
    verdict = case.verdict()
    assert verdict.outcome == "passed"
    assert verdict.champion == "1"
    check = checks_of(verdict)["champion: sentence"]
    assert check.why == "better than the champion"
    assert "(1.000 against 0.733 of version 1)" in check.measured
    assert check.required == "a difference above 0 with 95% confidence"
    # The other head need not improve.
    assert checks_of(verdict)["champion: tokens"].required == "a difference above -0.01 with 95% confidence"


@pytest.mark.usefixtures("champion")
def test_gate_reports_the_number_of_challengers_on_the_same_rows(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    case = candidate(in_store=champion_store, gate_rules={"champion": {"improve": True}}).context(tmp_path)
    client = MlflowClient(tracking_uri=f"sqlite:///{champion_store}/mlflow.db")
    same = [row.id for row in case.examples]
    # Given two that were compared on these rows, of which one had further ones, and one on other rows,
    for bundle, rows in (("one", same), ("two", [*same, "new"]), ("three", ["other", "rows"])):
        tags = {"assay.bundle": bundle, "assay.splits": f"with other training rows {bundle}"}
        client.create_model_version("toy", "file:///gone", tags={**tags, "assay.test_rows": sample_rows(rows)})
    check = check_champion(case, "sentence")
    assert check.passed
    assert "challenger 3 tested on these rows, without a correction for multiplicity" in check.why


@pytest.mark.usefixtures("champion")
def test_gate_corrects_for_many_challengers(candidate: MakeCandidate, champion_store: Path, tmp_path: Path) -> None:
    rules = {"champion": {"improve": True, "multiplicity": "corrected"}}
    case = candidate(in_store=champion_store, gate_rules=rules).context(tmp_path)
    case.challengers_before = 2
    # The third one may err with a twelfth of the 5 %.
    check = check_champion(case, "sentence")
    assert check.required == "a difference above 0 with 99.583% confidence"
    assert check.why.endswith("challenger 3 tested on these rows, for which the confidence is corrected")


@pytest.mark.usefixtures("champion")
def test_gate_refuses_a_worse_candidate(candidate: MakeCandidate, champion_store: Path, tmp_path: Path) -> None:
    # Given a candidate that also misreads `poor`, which the champion knows,
    worse = FEWER_CLASSES | {"poor": "positive"}
    rules = {"champion": {"margin": 0.02}}
    case = candidate(worse, FEWER_ENTITIES, in_store=champion_store, gate_rules=rules).context(tmp_path)
    check = check_champion(case, "sentence")
    assert not check.passed
    assert "may be worse by more than the margin" in check.why
    assert "smallest detectable difference 0." in check.why
    assert check_champion(case, "tokens").passed


@pytest.mark.usefixtures("champion")
def test_gate_passes_an_equal_candidate_unless_it_must_improve(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    # Given the champion's answers from a bundle of its own (it knows one more word, which no row holds),
    same = FEWER_CLASSES | {"unheard": "positive"}
    rules = {"champion": {"improve": True, "margin": 0.02}}
    case = candidate(same, FEWER_ENTITIES, in_store=champion_store, gate_rules=rules).context(tmp_path)
    # then the head that must improve fails, and the other is not inferior.
    primary, other = check_champion(case, "sentence"), check_champion(case, "tokens")
    assert not primary.passed
    assert "not shown to be better" in primary.why
    assert other.passed
    assert other.why == "not worse than the champion"


@pytest.mark.usefixtures("champion")
def test_gate_needs_enough_rows_for_a_small_margin(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    same = FEWER_CLASSES | {"unheard": "positive"}
    case = candidate(same, FEWER_ENTITIES, in_store=champion_store).context(tmp_path)
    check = check_champion(case, "tokens")
    assert not check.passed
    assert "240 rows cannot show a margin of 0.01: about 300 rows are needed" in check.why
    assert check.measured.endswith(" of version 1), 240 rows")


@pytest.mark.usefixtures("champion")
def test_gate_verdict_names_rows_and_clusters(candidate: MakeCandidate, champion_store: Path, tmp_path: Path) -> None:
    # Given test rows of which every ten are of one document, when a better candidate is compared,
    case = candidate(in_store=champion_store, gate_rules={"slices": {"columns": ["medium"]}}).context(tmp_path)
    case.clusters = {row.id: case.examples[n // 10 * 10].id for n, row in enumerate(case.examples)}
    rows = [replace(row, cluster=case.clusters[row.id]) for row in case.evaluation.rows]
    case.evaluation.rows = rows
    # then champion check and slice checks say how much there was to go by.
    assert check_champion(case, "sentence").measured.endswith(" of version 1), 240 rows in 24 clusters")
    slices = check_slices(rows, case.rules.slices, ["sentence"])
    assert all("rows in 24 clusters (" in check.measured for check in slices)


@pytest.mark.usefixtures("champion")
def test_gate_passes_the_champion_itself(candidate: MakeCandidate, champion_store: Path, tmp_path: Path) -> None:
    rules = {"champion": {"improve": True}}
    case = candidate(FEWER_CLASSES, FEWER_ENTITIES, in_store=champion_store, gate_rules=rules).context(tmp_path)
    check = check_champion(case, "sentence")
    assert check.passed
    assert check.why == "it is the champion itself"


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ledger": "another"}, "may have been trained on the test rows"),
        ({"ledger": None}, "may have been trained on the test rows"),
        ({"seen_in_training": 3}, "3 test rows were training rows of an earlier run"),
        ({"classes": ALL_CLASSES | {"so": "neutral"}}, "the label sets differ: 'neutral' only in the candidate"),
        ({"manifest": {"pair": True}, "rows": PAIRS}, "the champion reads single texts"),
    ],
)
def test_gate_refuses_an_incomparable_champion_unless_allowed(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    made = candidate(in_store=champion_store, **change)
    check = check_champion(made.context(tmp_path), "sentence")
    assert not check.passed
    assert check.measured == "not comparable"
    assert reason in check.why
    assert "gate.champion.allow_not_comparable" in check.why
    made.run = a_run(champion_store, {"champion": {"allow_not_comparable": True}})
    check = check_champion(made.context(tmp_path), "sentence")
    assert check.passed
    assert not check.tested


@pytest.mark.usefixtures("champion")
def test_gate_compares_a_head_with_equal_labels(candidate: MakeCandidate, champion_store: Path, tmp_path: Path) -> None:
    case = candidate(ALL_CLASSES | {"so": "neutral"}, in_store=champion_store).context(tmp_path)
    assert check_champion(case, "tokens").why == "better than the champion"


@pytest.mark.usefixtures("champion")
def test_gate_refuses_a_champion_with_changed_bytes(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    # Given a champion whose stored graph was tampered with, then nothing is compared with it.
    (model,) = champion_store.rglob(MODEL)
    original = model.read_bytes()
    model.write_bytes(original + b" ")
    try:
        with pytest.raises(AssayError, match="differs from its digest"):
            check_champion(candidate(in_store=champion_store).context(tmp_path), "sentence")
    finally:
        model.write_bytes(original)


@pytest.mark.usefixtures("champion")
def test_gate_reports_the_latency_of_the_champion(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    assert "the champion" in check_latency(candidate(in_store=champion_store).context(tmp_path), 1000).measured


def test_gate_needs_a_registry(candidate: MakeCandidate, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an MLflow server that is not there: not the candidate's fault, so that the run stays open.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    made = candidate()
    made.run = made.run.model_copy(update={"tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(AssayError, match=r"MLflow at http://127.0.0.1:9"):
        made.verdict()


# A champion that is gone, and one that was rolled back


@pytest.fixture
def deserted(store: Path, make_bundle: MakeBundle) -> MlflowClient:
    """Return the MLflow of `store`, in which versions 1 (all classes) and 2 (fewer) of `toy` were champions."""
    register_champion(store, make_bundle("first", ALL_CLASSES, FEWER_ENTITIES))
    register_champion(store, make_bundle("second", FEWER_CLASSES, FEWER_ENTITIES))
    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


def test_gate_compares_with_the_previous_champion_if_it_is_missing(
    candidate: MakeCandidate, deserted: MlflowClient, store: Path
) -> None:
    # Given a champion whose version somebody deleted in MLflow,
    deserted.delete_model_version("toy", "2")
    # when an equal of the one before comes, then it is no first of its name.
    equal = candidate(ALL_CLASSES | {"unheard": "positive"}, FEWER_ENTITIES, gate_rules={"champion": {"improve": True}})
    verdict = equal.verdict()
    check = checks_of(verdict)["champion: sentence"]
    assert not check.passed
    assert "(1.000 against 1.000 of version 1)" in check.measured
    assert "version 2 was the last one and is gone; compared with version 1" in check.why
    # The promotion expects what the registry says: no champion.
    assert verdict.champion is None


def test_gate_compares_with_a_champion_without_alias(
    candidate: MakeCandidate, deserted: MlflowClient, tmp_path: Path
) -> None:
    deserted.delete_registered_model_alias("toy", "champion")
    check = check_champion(candidate().context(tmp_path), "sentence")
    assert check.passed
    assert "(1.000 against 0.733 of version 2)" in check.measured
    assert "version 2 was the last one and lost its alias; compared with version 2" in check.why


@pytest.mark.parametrize("whole_model", [False, True])
def test_gate_refuses_missing_champions_unless_allowed(
    candidate: MakeCandidate, deserted: MlflowClient, store: Path, tmp_path: Path, whole_model: bool
) -> None:
    # Given a registry without any former champion, or without the model itself,
    if whole_model:
        deserted.delete_registered_model("toy")
    else:
        for number in ("1", "2"):
            deserted.delete_model_version("toy", number)
    # then nobody knows whether the candidate is better, and the reason names the version that is gone.
    made = candidate()
    check = check_champion(made.context(tmp_path), "sentence")
    assert (check.passed, check.measured) == (False, "not comparable")
    assert "version 2 was the last one, and no earlier champion is left" in check.why
    made.run = a_run(store, {"champion": {"allow_not_comparable": True}})
    check = check_champion(made.context(tmp_path), "sentence")
    assert (check.passed, check.tested) == (True, False)


def test_gate_skips_a_previous_champion_that_cannot_be_downloaded(
    candidate: MakeCandidate, deserted: MlflowClient, store: Path, tmp_path: Path
) -> None:
    deserted.delete_registered_model_alias("toy", "champion")
    model_id = deserted.get_model_version("toy", "2").tags["assay.model"]
    (graph,) = [path for path in store.rglob(MODEL) if model_id in str(path)]
    graph.write_bytes(b"damaged")
    check = check_champion(candidate().context(tmp_path), "sentence")
    assert "compared with version 1" in check.why


def test_gate_refuses_a_rolled_back_bundle_without_approval(
    candidate: MakeCandidate, store: Path, deserted: MlflowClient
) -> None:
    # Given a bundle that was champion and was rolled back,
    registry = ModelRegistry("toy", f"sqlite:///{store}/mlflow.db", store)
    made = candidate(FEWER_CLASSES, FEWER_ENTITIES)
    registry.rollback("1", "insults customers")
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


# Trivial models

# Three rows of four are positive, and no training row names Munich.
TRAINING = [
    replace(row, id=f"train-{row.id}")
    for row in labelled_rows()
    if "munich" not in row.text and not row.text.startswith("poor")
]


def always(label: str) -> dict[str, str]:
    """Return the words of a model that knows both classes but always predicts the same one."""
    return dict.fromkeys(ALL_CLASSES, label) | {"unheard": "negative", "never": "positive"}


def test_gate_refuses_a_model_that_predicts_one_class(candidate: MakeCandidate, tmp_path: Path) -> None:
    # Given a model with macro-F1 0.333 of two balanced classes, and a threshold below that,
    rules = {"baseline": "majority", "min_f1": {"sentence": 0.3, "tokens": 0.3}}
    case = candidate(always("positive"), gate_rules=rules, training=TRAINING).context(tmp_path)
    assert check_score(case, "sentence").passed
    # then the most frequent class does as well, and the verdict shows both figures.
    (check,) = check_baseline(case, "sentence")
    assert not check.passed
    assert "F1 0.333 against 0.333 of the most frequent class of the training rows, 'positive'" in check.measured
    assert check.metrics == {"baseline_f1_sentence": pytest.approx(1 / 3)}


@pytest.mark.parametrize("baseline", ["majority", "tfidf"])
@pytest.mark.parametrize("constant", ["positive", "negative"])
def test_gate_refuses_a_model_that_predicts_one_class_under_class_drift(
    candidate: MakeCandidate, tmp_path: Path, constant: str, baseline: str
) -> None:
    # Given training rows with mostly one class, and test rows with mostly another,
    drifted = [replace(row, label="negative" if row.text.startswith("fine") else row.label) for row in labelled_rows()]
    made = candidate(
        always(constant),
        gate_rules={"baseline": baseline, "min_f1": {"sentence": 0.1, "tokens": 0.3}},
        rows=drifted,
        training=TRAINING,
    )
    case = made.context(tmp_path)
    assert {row.predicted for row in case.evaluation.rows} == {constant}
    # when a model predicts one class, be it the one or the other, then it is compared with the better one.
    check = check_baseline(case, "sentence")[0]
    assert not check.passed
    assert (
        "of the most frequent class of the test rows, 'negative' (of the training rows: 'positive')" in check.measured
    )
    assert check.metrics == {"baseline_f1_sentence": pytest.approx(3 / 7)}


def test_gate_passes_a_model_above_the_baselines(candidate: MakeCandidate, tmp_path: Path) -> None:
    rules = {"baseline": "tfidf"}
    case = candidate(gate_rules=rules, training=TRAINING).context(tmp_path)
    majority, tfidf = check_baseline(case, "sentence")
    assert majority.passed
    assert majority.measured.startswith("F1 1.000 against 0.333 of the most frequent class")
    # A test word that no training row holds is beyond TF-IDF, and a name that none holds beyond the majority tag.
    assert tfidf.passed
    assert "of TF-IDF with logistic regression on 135 training rows" in tfidf.measured
    (tags,) = check_baseline(case, "tokens")
    assert tags.passed
    assert "of the majority tag of each word in 135 training rows" in tags.measured
    assert set(majority.metrics | tfidf.metrics | tags.metrics) == {
        "baseline_f1_sentence",
        "baseline_f1_sentence_tfidf",
        "baseline_f1_tokens",
    }


@pytest.mark.parametrize("entities", [ALL_ENTITIES, FEWER_ENTITIES], ids=["flawless", "with misses"])
def test_gate_refuses_entities_that_equal_the_word_baseline(
    candidate: MakeCandidate, tmp_path: Path, entities: dict[str, str]
) -> None:
    training = [replace(row, id=f"train-{row.id}") for row in labelled_rows()]
    case = candidate(entities=entities, gate_rules={"baseline": "majority"}, training=training).context(tmp_path)
    (check,) = check_baseline(case, "tokens")
    assert check.passed == (entities is ALL_ENTITIES)
    if check.passed:
        assert check.why == "finds every entity of these rows and no other"
    else:
        assert check.why.startswith("not shown to be better than the majority tag of each word in 240 training rows")


def test_gate_baseline_fails_without_training_rows(candidate: MakeCandidate) -> None:
    assert Gate(min_f1={"sentence": 0.6}).baseline == "majority"
    verdict = candidate(gate_rules={"baseline": "majority"}).verdict()
    assert {check.name for check in verdict.failed} == {"baseline: sentence", "baseline: tokens"}
    assert "no training row has a class" in verdict.failed[0].why


# Classes and entity types without test rows


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
