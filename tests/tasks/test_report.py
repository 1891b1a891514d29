"""The model card of a run: its contents, its safety, and its locations."""

import json
import random
import re
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
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult, effective_verdict
from assay.runs.run import Run
from assay.serving.bundle import Bundle
from assay.serving.registered_model import ModelAddress, RegistryClient, card_folder
from assay.tasks.approve import decide
from assay.tasks.evaluate import evaluate
from assay.tasks.promote import promote
from assay.tasks.report import report, report_decision
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
        split_of,  # type: ignore[arg-type]  # the values are sides
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
        kept=True,
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


def test_report_card_shows_all_results_and_runs_no_script(finished: Finished) -> None:
    # When the card of a promoted model is written,
    card = finished.report(finished.promote())
    html = card.read_text(encoding="utf-8")
    page = Page(html)
    # then it is one file that loads nothing from elsewhere, and names from the data are text, not code.
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) > 10
    assert all(address.startswith("#") for address in page.addresses)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    # It holds the five plots, which take their colours from the page,
    assert page.tags.count("svg") == 5
    assert "currentColor" in html
    assert "#010203" not in html
    # and the verdict, the data with its warnings, the mistakes, the recipe and the digests.
    for part in (
        "Version 1 of",
        "2 of 2 checks passed",
        "not tested",
        "388 rows repeat",
        "excluded: duplicate of a test row",
        "Errors with high confidence",
        "learning_rate: 0.001",
        finished.verdict.bundle,
        finished.snapshot.digest,
        "$x_1$",
        "mitigated 1",
        "training.learning_rate=0.0003",
        "0.512",
        "macro-F1 of classes, baseline",
        "0.312",
        "macro-F1 of classes, TF-IDF baseline",
        "precision of what is decided at least 0.95",
        "0.600, bad 0.700",
        "none: all are left to people",
        "share that is decided",
    ):
        assert part in page.text
    # The plot of slices shows the recipe's classes and conditions, too.
    for name in ("label = positive", "expression = long ones", "medium = web", "text length ="):
        assert name in page.text


def test_report_logs_card_and_metrics_to_mlflow(finished: Finished) -> None:
    promotion = finished.promote()
    finished.report(promotion)
    # Then the run holds card, verdict and the figures on test rows,
    client = MlflowClient(tracking_uri=finished.run.tracking_uri)
    folder = card_folder(finished.verdict.digest)
    names = {file.path for file in client.list_artifacts(finished.run.mlflow_run, folder)}
    assert names == {f"{folder}/{name}" for name in ("card.html", "card.md", "verdict.json")}
    logged = client.get_run(finished.run.mlflow_run).data
    assert 0.5 < logged.metrics["test.sentence.macro_f1"] < 1
    assert logged.metrics["test.baseline_f1_sentence"] == 0.3125  # beside that of the model
    assert "| macro-F1 of classes, baseline | 0.312 |" in logged.tags["mlflow.note.content"]
    assert logged.tags["assay.outcome"] == "passed"
    assert logged.tags["mlflow.note.content"].startswith("# tiny: passed")
    # the logged model holds the figures too, and the version shows the card's short form.
    assert promotion.version is not None
    assert promotion.version.model_id is not None
    version = client.get_model_version(promotion.version.name, promotion.version.number)
    model = client.get_logged_model(promotion.version.model_id)
    assert {metric.key for metric in model.metrics or []} >= {"test.sentence.macro_f1", "test.tokens.f1"}
    assert version.description is not None
    assert version.description.startswith("# tiny: passed")
    assert HOSTILE not in version.description
    written = json.loads(
        (finished.run.folder / card_folder(finished.verdict.digest) / "verdict.json").read_text(encoding="utf-8")
    )
    assert written["outcome"] == "passed"


def test_report_replaces_an_earlier_report_of_the_verdict(finished: Finished) -> None:
    promotion = finished.promote()
    card = finished.report(promotion)
    assert finished.report(promotion) == card
    assert sorted(path.name for path in card.parent.iterdir()) == ["card.html", "card.md", "verdict.json"]


def test_report_keeps_the_card_of_an_earlier_verdict(finished: Finished) -> None:
    # Given a champion and its card,
    promotion = finished.promote()
    first, verdict = finished.report(promotion), finished.verdict
    written = first.read_bytes()
    # when the same run is judged again and refused,
    bundle = Bundle.load(finished.export.path / "bundle")
    finished.verdict = a_verdict(bundle, finished.snapshot, finished.splits, passed=False)
    second = finished.report(finished.promote())
    # then both cards are there, the version shows that of the verdict it carries, and a server does, too.
    assert second != first
    assert first.read_bytes() == written
    assert "refused" in second.read_text(encoding="utf-8")
    registry = RegistryClient(finished.run.tracking_uri)
    served = registry.find(ModelAddress.parse("models:/tiny@champion"))
    assert served.verdict == verdict.digest
    assert (registry.card(served) or "").encode() == written
    client = MlflowClient(tracking_uri=finished.run.tracking_uri)
    description = client.get_model_version("tiny", "1").description or ""
    assert f"`{card_folder(verdict.digest)}/card.html` of MLflow run `{finished.run.mlflow_run}`" in description
    note = client.get_run(finished.run.mlflow_run).data.tags["mlflow.note.content"]
    assert card_folder(finished.verdict.digest) in note


def test_report_logs_the_card_to_the_run_of_the_version(finished: Finished) -> None:
    # Given a refused version,
    bundle = Bundle.load(finished.export.path / "bundle")
    passing = finished.verdict
    finished.verdict = a_verdict(bundle, finished.snapshot, finished.splits, passed=False)
    finished.report(finished.promote())
    first = finished.run.mlflow_run
    # when a later run makes the same bundle and promotes it,
    client = MlflowClient(tracking_uri=finished.run.tracking_uri)
    experiment = client.get_run(first).info.experiment_id
    later = client.create_run(experiment).info.run_id
    finished.run = finished.run.model_copy(update={"key": "later", "mlflow_run": later})
    finished.verdict = passing
    finished.report(finished.promote())
    # then a server finds the card of the verdict that promoted it.
    registry = RegistryClient(finished.run.tracking_uri)
    served = registry.find(ModelAddress.parse("models:/tiny@champion"))
    assert (served.run_id, served.verdict) == (first, passing.digest)
    assert "2 of 2 checks passed" in Page(registry.card(served) or "").text


@pytest.mark.parametrize("later", [False, True], ids=["killed behind its promotion", "made again by a later run"])
def test_report_keeps_the_verdict_that_promoted_the_champion(finished: Finished, later: bool) -> None:
    # Given a champion,
    first = finished.verdict
    finished.promote()
    client = MlflowClient(tracking_uri=finished.run.tracking_uri)
    if later:
        finished.run = finished.run.model_copy(update={"key": "later"})
    # when the gate compares it with itself,
    finished.verdict = effective_verdict(finished.run, first.model_copy(update={"champion": "1"}))
    promotion = finished.promote()
    finished.report(promotion)
    # then card and verdict are those of the first time, and only its own run describes the version.
    assert promotion.promoted
    assert (
        Verdict.model_validate_json(
            (finished.run.folder / card_folder(finished.verdict.digest) / "verdict.json").read_bytes()
        )
        == first
    )
    assert bool(client.get_model_version("tiny", "1").description) is not later


def test_report_of_a_refused_candidate_has_card_and_version(finished: Finished) -> None:
    # Given a verdict with a failed check,
    bundle = Bundle.load(finished.export.path / "bundle")
    finished.verdict = a_verdict(bundle, finished.snapshot, finished.splits, passed=False)
    # when the candidate is handed to the registry and reported,
    promotion = finished.promote()
    page = Page(finished.report(promotion).read_text(encoding="utf-8"))
    # then it is a version that says why it was refused, and nothing serves.
    registry = ModelRegistry("tiny", finished.run.tracking_uri, finished.run.store)
    assert registry.champion() is None
    assert (promotion.promoted, promotion.why) == (False, "refused: score: sentence")
    assert registry.version("1").tags["assay.failed"] == "score: sentence"
    assert registry.version("1").outcome == "refused"
    assert "refused: score: sentence" in page.text


@pytest.mark.parametrize(
    ("approved", "said"), [(True, "# tiny: passed\n\n"), (False, "# tiny: refused\n\n")], ids=["approved", "refused"]
)
def test_report_decision_adds_the_decision_to_the_card(
    finished: Finished, tmp_path: Path, approved: bool, said: str
) -> None:
    # given a run that has ended, while its model waits for a person
    approval = Approval.ask(finished.verdict, finished.run.key, hours=1)
    card = finished.report(finished.promote(approval))
    waited = card.read_text(encoding="utf-8")
    assert "waits for approval" in waited
    # when the answer comes
    registry = ModelRegistry("tiny", finished.run.tracking_uri, finished.run.store)
    report_decision(finished.run.store, finished.run.key, decide(registry, None, approved, "Ann"))
    # then the card on disk and in MLflow says what became of it, and all else stands there as before
    page = Page(card.read_text(encoding="utf-8"))
    assert "waits for approval" not in page.text
    assert page.tags == Page(waited).tags
    client = MlflowClient(tracking_uri=finished.run.tracking_uri)
    logged = Path(
        client.download_artifacts(
            finished.run.mlflow_run, f"{card_folder(finished.verdict.digest)}/card.md", str(tmp_path)
        )
    )
    assert logged.read_text(encoding="utf-8").startswith(said)
    # and an answer comes once
    assert not (finished.run.folder / "card.json").exists()
    written = card.stat().st_mtime_ns
    report_decision(finished.run.store, finished.run.key, finished.promote())
    assert card.stat().st_mtime_ns == written


def test_report_works_in_a_dry_run(finished: Finished) -> None:
    recipe = finished.run.recipe.model_copy(update={"run_mode": "dry_run"})
    finished.run = finished.run.model_copy(update={"recipe": recipe})
    promotion = finished.promote()
    assert promotion == PromotionResult(version=None, promoted=False, why="dry run: passed, nothing registered")
    assert "dry run" in Page(finished.report(promotion).read_text(encoding="utf-8")).text
    assert MlflowClient(tracking_uri=finished.run.tracking_uri).search_registered_models() == []
