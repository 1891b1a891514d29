"""A run with its results up to the verdict, on data with names that break unescaped pages."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.attempts import Attempt, SliceChange
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.export_report import ExportReport
from assay.evaluation.run_results import RunResults
from assay.evaluation.verdict import Check, Verdict
from assay.expectations.validation_report import CheckResult, ValidationReport
from assay.models.checkpoint import Checkpoint, CheckpointManifest
from assay.registry.approvals import Approval
from assay.registry.promotion import PromotionResult
from assay.runs.run import Run
from assay.serving.bundle import Bundle
from assay.tasks.evaluate import evaluate
from assay.tasks.promote import promote
from assay.tasks.report import report
from tests.decisions import a_decision
from tests.snapshots import make_run, write_snapshot

HOSTILE = "<script>alert(1)</script>"

CLASSES = {"good": "positive", "bad": "negative", "fine": HOSTILE, "costs": "$x_1$ 東京"}

ENTITIES = {"apple": "COMPANY", "berlin": "PLACE"}

MakeBundle = Callable[..., Bundle]


@dataclass
class Finished:
    """A run with its results up to the verdict."""

    run: Run
    validation: ArtifactRef[ValidationReport]
    checkpoint: ArtifactRef[Checkpoint]
    export: ArtifactRef[ExportReport]
    evaluation: ArtifactRef[Evaluation]
    snapshot: ArtifactRef[Snapshot]
    splits: ArtifactRef[Splits]
    verdict: Verdict

    @property
    def results(self) -> RunResults:
        return RunResults(
            snapshot=self.snapshot,
            validation=self.validation,
            splits=self.splits,
            checkpoint=self.checkpoint,
            export=self.export,
            evaluation=self.evaluation,
        )

    def promote(self, approval: Approval | None = None) -> PromotionResult:
        return promote.fn(self.run, self.results, self.verdict, approval)

    def report(self, promotion: PromotionResult) -> Path:
        return report.fn(self.run, self.results, self.verdict, promotion)


@pytest.fixture
def finished(tmp_path: Path, store: Path, make_bundle: MakeBundle) -> Finished:
    """Return a joint model with errors, on data with names that break unescaped pages."""
    run = a_run(store, tmp_path)
    decisions = {"sentence": a_decision(0.6, by_class={"bad": 0.7}), "tokens": a_decision(None)}
    bundle = make_bundle("export/bundle", CLASSES, ENTITIES, decisions={"fp32": decisions})
    snapshot = write_snapshot(tmp_path / "snapshot", noisy_rows(), ["medium"])
    splits = write_splits(tmp_path / "splits", snapshot)
    export = ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest)
    write_export_report(export.path)
    evaluation = evaluate.fn(run, export, snapshot, splits)
    return Finished(
        run=run,
        validation=write_validation(tmp_path / "validation", snapshot),
        checkpoint=write_checkpoint(tmp_path / "checkpoint", bundle),
        export=export,
        evaluation=evaluation,
        snapshot=snapshot,
        splits=splits,
        verdict=a_verdict(bundle, snapshot, splits),
    )


def a_run(store: Path, tmp_path: Path) -> Run:
    slices = {"label": True, "expressions": {"long ones": "text_length > 30"}}
    gate = {"min_f1": {"sentence": 0.6}, "slices": slices}
    run = make_run(store, description=f"Sentences about companies {HOSTILE}", gate=gate)
    client = MlflowClient(tracking_uri=run.tracking_uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    return run.model_copy(update={"mlflow_run": client.create_run(experiment).info.run_id})


def noisy_rows(count: int = 400) -> list[Example]:
    """Return rows of which one in eight has a wrong label, and one in ten a wrong entity."""
    chance = random.Random(7)
    rows = []
    for number in range(count):
        word, entity = chance.choice(list(CLASSES)), chance.choice(list(ENTITIES))
        label = chance.choice(list(CLASSES.values())) if chance.random() < 0.125 else CLASSES[word]
        kind = "PLACE" if chance.random() < 0.1 else ENTITIES[entity]
        text = f"{word} {entity} {HOSTILE}"
        span = Entity(len(word) + 1, len(word) + 1 + len(entity), kind)
        medium = {"medium": chance.choice(["web", "radio", f"paper {HOSTILE}"])}
        rows.append(Example(f"row-{number}", text, label=label, entities=(span,), slices=medium))
    return rows


def write_splits(folder: Path, snapshot: ArtifactRef[Snapshot]) -> ArtifactRef[Splits]:
    split_of = {f"row-{number}": "test" if number % 2 else "train" for number in range(400)}
    splits = Splits.create(
        split_of,  # type: ignore[arg-type]  # the values are splits
        snapshot=snapshot.digest,
        method="stratified",
        excluded={"duplicate of a test row": 3},
        ledger="ledger-1",
    )
    folder.mkdir()
    splits.save(folder)
    return ArtifactRef[Splits](path=folder, digest=splits.digest)


def write_validation(folder: Path, snapshot: ArtifactRef[Snapshot]) -> ArtifactRef[ValidationReport]:
    checks = [
        CheckResult(name="unique-ids", severity="critical", passed=True, measured="0", required="0", why="no repeats"),
        CheckResult(
            name="duplicates",
            severity="warning",
            passed=False,
            measured="97 %",
            required="at most 20 %",
            why=f"388 rows repeat the text of another row {HOSTILE}",
        ),
    ]
    folder.mkdir()
    ValidationReport(kind="joint", snapshot=snapshot.digest, rows=400, checks=checks).save(folder)
    return ArtifactRef[ValidationReport](path=folder, digest="v")


def write_checkpoint(folder: Path, bundle: Bundle) -> ArtifactRef[Checkpoint]:
    manifest = bundle.manifest
    folder.mkdir()
    checkpoint = CheckpointManifest(
        labels=manifest.labels,
        tags=manifest.tags,
        pair=False,
        max_length=64,
        cleaning=manifest.cleaning,
        uses_type_ids=False,
        pad_id=0,
    )
    (folder / "checkpoint.json").write_text(checkpoint.model_dump_json(), encoding="utf-8")
    history = {
        "device": "cpu",
        "precision": "fp32",
        "threads": 2,
        "seconds": 12.5,
        "examples_per_second": 130.4,
        "kept_epoch": 3.0,
        "epochs": [
            {"epoch": epoch, "step": 10 * epoch, "sentence.macro_f1": 1 - 0.5 / epoch, "tokens.f1": 1 - 0.7 / epoch}
            for epoch in range(1, 6)
        ],
        "loss": [[step, 2.0 / step] for step in range(1, 51)],
    }
    (folder / "history.json").write_text(json.dumps(history), encoding="utf-8")
    return ArtifactRef[Checkpoint](path=folder, digest="c")


def write_export_report(folder: Path) -> None:
    values = {
        "parity_max_difference": 2e-6,
        "parity_labels_equal": True,
        "parity_rows": 100,
        "precision": "fp32",
        "measured": [
            {
                "precision": "int8",
                "f1": {"sentence": 0.88, "tokens": 0.95},
                "drop": {"sentence": 0.03, "tokens": 0.0},
                "changed": 0.05,
                "rows": 40,
                "rows_per_second": 300.0,
                "row_ms": 3.0,
            }
        ],
        "size_mb": 0.1,
        "why": "int8 costs 0.0300 of sentence F1, more than gate.precision_max_drop 0.005",
    }
    (folder / "export.json").write_text(json.dumps(values), encoding="utf-8")


def a_verdict(
    bundle: Bundle, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits], *, passed: bool = True
) -> Verdict:
    score = Check(
        name="score: sentence",
        measured="0.897 (95 % interval 0.856-0.937)",
        required="at least 0.600",
        passed=passed,
        why=f"macro-F1 of {HOSTILE} | and others",
        metrics={"baseline_f1_sentence": 0.3125, "baseline_f1_sentence_tfidf": 0.75},
    )
    slices = Check(
        name="slice: medium=radio (sentence)",
        measured="9 rows",
        required="at least 10 % of the rows",
        passed=True,
        why="too few rows to judge by",
        tested=False,
    )
    mitigated = Attempt(
        kind="mitigated",
        number=1,
        why=f"slices fell short: medium={HOSTILE}",
        settings={"training.learning_rate": 0.0003},
        f1={"sentence": 0.9},
        slices=[SliceChange(head="sentence", name=f"medium={HOSTILE}", training_rows=40, before=0.512, after=0.634)],
        accepted=True,
        reason="the slices gain",
    )
    return Verdict(
        recipe="r" * 64,
        bundle=bundle.digest,
        snapshot=snapshot.digest,
        splits=splits.digest,
        champion=None,
        checks=[score, slices],
        attempts=[mitigated],
    )


class Page(HTMLParser):
    """A parser that reads the page like a browser."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text += data
