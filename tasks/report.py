"""The report step: write the model card, log it to MLflow and show it in Prefect."""

import logging
import time
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import ValidationError

from assay.corpus.storage.atomic import atomic_path
from assay.evaluation.export_report import BUNDLE
from assay.evaluation.run_results import RunResults
from assay.evaluation.verdict import Verdict
from assay.registry.approval_records import VERDICT, WAITING
from assay.registry.card_descriptions import CARD, LONGEST_NOTE, shortened_card
from assay.registry.model_card import Card
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult
from assay.registry.registration import describe_version
from assay.runs.lineage_record import keep_predictions
from assay.runs.mlflow_client import connect, full_address, stored_address
from assay.runs.mlflow_links import mlflow_page
from assay.runs.prefect_artifacts import show_link, show_markdown
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.runs.tags import OUTCOME_TAG, RUN_TAG, VERDICT_TAG
from assay.runs.tracking import mlflow_reachable
from assay.serving.bundle import Bundle
from assay.serving.registered_model import TEST_METRIC

HTML = "card.html"

_logger = logging.getLogger(__name__)


@task(name="report", cache_policy=NO_CACHE)
@reported("report")
def report(
    run: Run,
    results: RunResults,
    verdict: Verdict,
    promotion: PromotionResult,
) -> Path:
    """Write the model card, and log it to the MLflow run with the verdict and the metrics.

    Args:
        run: the run; its folder takes the card.
        results: results of the steps of the run.
        verdict: verdict of the gate.
        promotion: result of the promotion.

    Returns:
        Path of the HTML file.

    Raises:
        AssayError: a result is missing, or MLflow cannot be reached.
    """
    card = Card(
        run=run,
        validation=results.validation.load(),
        snapshot=results.snapshot.load().manifest,
        splits=results.splits.load().manifest,
        history=results.checkpoint.load().history,
        export=results.export.load(),
        bundle=Bundle.load(results.export.path / BUNDLE).manifest,
        evaluation=results.evaluation.load(),
        verdict=verdict,
        promotion=promotion,
    )
    current_step().show("writing the model card")
    markdown = _publish(card)
    if promotion.pending:
        # The address of MLflow may hold a password, which must not be written to a file.
        bare = run.model_copy(update={"tracking_uri": stored_address(run.tracking_uri, run.store)})
        _write(run.folder / WAITING, card.model_copy(update={"run": bare}).model_dump_json())
    elif promotion.version:  # a dry run in between leaves the approval pending
        (run.folder / WAITING).unlink(missing_ok=True)
    with mlflow_reachable(run.tracking_uri):
        client = connect(run.tracking_uri)
        keep_predictions(client, run.mlflow_run, card.evaluation.bundle, results.evaluation.path)
        log_metrics(client, run.mlflow_run, card.evaluation.metrics | verdict.metrics, promotion)
    if (version := promotion.version) is not None:
        # A champion that was checked again keeps the description of the verdict that promoted it.
        if (version.tags.get(RUN_TAG), version.tags.get(VERDICT_TAG)) == (run.key, verdict.digest):
            describe_version(ModelRegistry(version.name, run.tracking_uri, run.store, client), version, markdown)
        address = mlflow_page(run.tracking_uri, f"models/{version.name}/versions/{version.number}")
        name = f"{version.name} version {version.number}"
        show_link("model-version", address, name, f"{name} in MLflow: {card.outcome}")
    show_markdown("model-card", markdown, f"{run.recipe.name}: {card.outcome}")
    current_step().conclude("model card")
    return run.folder / card.folder / HTML


def report_decision(store: Path, run_key: str, promotion: PromotionResult) -> None:
    """Write the card of an ended run again after the approval decision about its candidate.

    A suspended run has written no card yet; it does when it resumes.

    Args:
        store: folder of all runs.
        run_key: key of the run that asked for approval.
        promotion: result of the promotion.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    pending_card = store / "runs" / run_key / WAITING
    if not pending_card.exists():
        return
    try:
        card = Card.model_validate_json(pending_card.read_bytes())
    except ValidationError:
        _logger.warning("%s was written by another version of assay: the model card is not updated", pending_card)
        return
    uri = full_address(card.run.tracking_uri, store)
    run = card.run.model_copy(update={"store": store.resolve(), "tracking_uri": uri})
    _publish(card.model_copy(update={"run": run, "promotion": promotion}))
    pending_card.unlink()


def _publish(card: Card) -> str:
    """Write the files of a card to the folder of its run, log them, and return the Markdown."""
    run, markdown = card.run, card.markdown()
    files = {HTML: card.html(), CARD: markdown, VERDICT: card.verdict.model_dump_json(indent=2)}
    folder = run.folder / card.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        _write(folder / name, text)
    with mlflow_reachable(run.tracking_uri):
        client = connect(run.tracking_uri)
        client.log_artifacts(run.mlflow_run, str(folder), card.folder)
        client.log_artifact(run.mlflow_run, str(folder / VERDICT))  # the latest verdict of the run
        client.set_tag(run.mlflow_run, OUTCOME_TAG, card.outcome)
        # The description on the page of the run.
        client.set_tag(run.mlflow_run, MLFLOW_RUN_NOTE, shortened_card(markdown, LONGEST_NOTE))
        _log_to_version_run(client, card, folder)
    return markdown


def _log_to_version_run(client: MlflowClient, card: Card, folder: Path) -> None:
    """Log the card also to the MLflow run of the version, if an earlier run made the bundle.

    An existing card stays: a later run that produces the champion again carries the champion's verdict.
    """
    version = card.promotion.version
    if version is None or version.run_id in (None, card.run.mlflow_run):
        return
    run_id = str(version.run_id)
    if not client.list_artifacts(run_id, card.folder):
        client.log_artifacts(run_id, str(folder), card.folder)


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as partial:
        # Texts of the data may contain lone surrogates.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def log_metrics(client: MlflowClient, run_id: str, metrics: dict[str, float], promotion: PromotionResult) -> None:
    """Log the metrics on test rows to the run and to the logged model of the version."""
    model_id = promotion.version.model_id if promotion.version else None
    now = int(time.time() * 1000)
    entities = [Metric(TEST_METRIC + name, value, now, step=0, model_id=model_id) for name, value in metrics.items()]
    client.log_batch(run_id, metrics=entities)
