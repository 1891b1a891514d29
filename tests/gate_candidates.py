"""Candidates for the gate: real bundles, known predictions, and a real registry with a champion."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.export_report import ExportReport
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.run_results import RunResults
from assay.evaluation.verdict import Check, Verdict
from assay.expectations.validation_report import CheckResult, ValidationReport
from assay.recipes.recipe import Recipe
from assay.registry.champion_promotion import promote_version
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import registry_of
from assay.registry.registration import register_bundle
from assay.registry.versions import Version
from assay.runs.run import Run
from assay.serving.bundle import Bundle
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
        decision: dict[str, Any] | None = None,
        rows: Sequence[Example] | None = None,
        in_store: Path = store,
        critical: bool = False,
        ledger: str | None = LEDGER,
        seen_in_training: int = 0,
        report: dict[str, Any] | None = None,
        manifest: dict[str, Any] | None = None,
        training: Sequence[Example] = (),
    ) -> Candidate:
        run = a_run(in_store, gate_rules or {}, decision)
        bundle = make_bundle("export/bundle", classes or ALL_CLASSES, entities or ALL_ENTITIES, **(manifest or {}))
        snapshot = write_snapshot(tmp_path / "snapshot", [*(rows or labelled_rows()), *training], ["medium"])
        splits = write_splits(tmp_path / "splits", snapshot, ledger, seen_in_training, training)
        export = ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest)
        an_export_report(report or {}).save(export.path)
        validation = write_validation(tmp_path / "validation", snapshot, critical)
        run_here = run.model_copy(update={"store": tmp_path / "steps"})
        return Candidate(run, validation, export, evaluate.fn(run_here, export, snapshot, splits), snapshot, splits)

    return make


def a_run(store: Path, rules: dict[str, Any], decision: dict[str, Any] | None = None) -> Run:
    values = recipe_values(
        decision=decision or {},
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
    version = register_bundle(registry, run_id, bundle.folder, verdict, {"assay.ledger": LEDGER})
    promote_version(registry, version, verdict, registry.champion(), "the first")


@pytest.fixture
def deserted(store: Path, make_bundle: MakeBundle) -> MlflowClient:
    """Return the MLflow of `store`, in which versions 1 (all classes) and 2 (fewer) of `toy` were champions."""
    register_champion(store, make_bundle("first", ALL_CLASSES, FEWER_ENTITIES))
    register_champion(store, make_bundle("second", FEWER_CLASSES, FEWER_ENTITIES))
    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
