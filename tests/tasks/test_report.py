"""The model card of a run: its contents, its safety, and its locations."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.registry.approvals import Approval
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult
from assay.serving.bundle import Bundle
from assay.serving.registered_model import ModelAddress, RegistryClient, card_folder
from assay.tasks.approve import decide
from assay.tasks.report import report_decision
from tests.finished_run import HOSTILE, Finished, Page, a_verdict


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
