"""The steps that find label issues of a version, and show and push them."""

import logging
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.errors import first_line
from assay.corpus.overlay import overlay_path, read_overlay
from assay.corpus.plural import counted
from assay.corpus.sources.extended_json import MongoFilter
from assay.evaluation.drift.embedding import Embedder
from assay.evaluation.drift.reservoir import reservoir_sample
from assay.evaluation.export_report import BUNDLE
from assay.evaluation.labelled_predictions import row_of
from assay.evaluation.labels.held_out_rows import HeldOutRow, predict_held_out
from assay.evaluation.labels.issue_tasks import find_issue_tasks
from assay.evaluation.labels.label_task_report import SHOWN, LabelTaskReport
from assay.evaluation.labels.row_choice import choose_rows, row_uncertainty
from assay.evaluation.labels.task_formats import TaskFormat, write_tasks
from assay.evaluation.labels.unlabelled_rows import read_unlabelled, suggestion
from assay.evaluation.run_results import RunResults
from assay.registry.promotion import PromotionResult
from assay.runs.mlflow_links import mlflow_page
from assay.runs.prefect_artifacts import show_link, show_markdown
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.tasks.annotation.push import AnnotationServer, push_tasks
from assay.tasks.cross_validation import cross_validated_rows
from assay.tasks.version_rows import HELD_OUT, held_out_rows, names_of, open_version

_logger = logging.getLogger(__name__)


@task(name="find-label-issues", cache_policy=NO_CACHE)
@reported("issues")
def find_label_issues(
    model: str,
    tracking_uri: str,
    store: Path,
    rows: int,
    output: Path | None = None,
    task_format: TaskFormat = "label-studio",
    cross_validate: int | None = None,
) -> LabelTaskReport:
    """Return the rows whose labels are most probably wrong, and write them as tasks of an annotation tool.

    Args:
        model: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        tracking_uri: address of MLflow.
        store: folder of the runs and of the corrections.
        rows: most tasks.
        output: file of the tasks; None writes none.
        task_format: the tool that is to read the file.
        cross_validate: number of trainings by which training rows are predicted, too. None: held-out rows alone.

    Raises:
        AssayError: there is no such version, its rows are no longer available, or a fold cannot be trained.
    """
    with open_version(model, tracking_uri, store) as version:
        held_out = held_out_rows(version, store)
        if cross_validate is not None:
            held_out += cross_validated_rows(version, store, cross_validate)
        found = find_issue_tasks(held_out, version.engine.labels, version.engine.tags, version.engine.row_labels)
        report = LabelTaskReport(
            model=version.champion.address,
            recipe=version.champion.recipe.name,
            rows=len(held_out),
            found=len(found),
            tasks=found[:rows],
            names=version.names,
        )
        report = _with_file(report, output, task_format)
        current_step().conclude(f"{report.found:,} of {counted(report.rows, 'row')}")
        page = mlflow_page(tracking_uri, f"models/{version.champion.name}/versions/{version.champion.number}")
        show_issues(report, page)
    return report


@task(name="suggest-rows", cache_policy=NO_CACHE)
@reported("suggest")
def suggest_rows(
    model: str,
    tracking_uri: str,
    store: Path,
    source: str,
    filter_: MongoFilter,
    rows: int,
    random_share: float,
    output: Path | None = None,
    task_format: TaskFormat = "label-studio",
) -> LabelTaskReport:
    """Return the rows of a source that are worth labelling next, and write them as tasks of an annotation tool.

    Args:
        model: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        tracking_uri: address of MLflow.
        store: folder of the runs and of the corrections.
        source: file, folder, glob or collection of rows without labels.
        filter_: filter on its documents.
        rows: rows to choose.
        random_share: share of them to draw at random.
        output: file of the tasks; None writes none.
        task_format: the tool that is to read the file.

    Raises:
        AssayError: there is no such version, its rows are no longer available, or the source cannot be read.
    """
    with open_version(model, tracking_uri, store) as version:
        recipe, engine = version.champion.recipe, version.engine
        new = read_unlabelled(source, filter_, recipe, version.labelled(store))
        current_step().show(f"predicting {counted(len(new), 'row')}")
        predicted = list(predict_held_out(engine, new))
        uncertainty = np.array([row_uncertainty(row) for row in predicted])
        vectors = Embedder(version.bundle, engine).embed([row_of(row, engine.manifest.pair) for row in new])
        if vectors is None:  # a graph without an inner product: choose by uncertainty alone
            vectors = np.zeros((len(new), 1))
        chosen = choose_rows(uncertainty, vectors, rows, random_share)
        report = LabelTaskReport(
            model=version.champion.address,
            recipe=recipe.name,
            rows=len(new),
            found=len(chosen),
            tasks=[suggestion(predicted[row.number], row) for row in chosen],
            names=version.names,
        )
        report = _with_file(report, output, task_format)
    current_step().conclude(f"{report.found:,} of {report.rows:,} new rows")
    return report


def _with_file(report: LabelTaskReport, output: Path | None, task_format: TaskFormat) -> LabelTaskReport:
    """Write the tasks of a report to a file, if one is wanted, and name it in the report."""
    if output is None:
        return report
    files = write_tasks(report.tasks, output, task_format, report.names, report.model)
    return report.model_copy(update={"files": files})


@task(name="push-tasks", cache_policy=NO_CACHE)
@reported("push")
def push(report: LabelTaskReport, server: AnnotationServer) -> LabelTaskReport:
    """Add the tasks of a report to a project on the server of an annotation tool, and link the project in Prefect.

    Raises:
        AssayError: the server cannot be reached, or refuses them.
    """
    if not report.tasks:
        return report
    address = push_tasks(server, report.tasks, report.names, report.model)
    current_step().conclude(f"{counted(len(report.tasks), 'task')} in {address}")
    show_link("label-tasks", address, server.project, f"{counted(len(report.tasks), 'task')} of {report.model}")
    return report.model_copy(update={"pushed": address})


@task(name="label-issues", cache_policy=NO_CACHE)
def review_run(run: Run, results: RunResults, promotion: PromotionResult) -> None:
    """Show in Prefect which held-out rows of a run have labels that may be wrong, after its training.

    The run has its verdict by then, and keeps it: whatever fails here is a warning. At most
    `label_review_rows` rows are examined, and none if that is 0.
    """
    if not run.recipe.label_review_rows:
        return
    try:
        _review(run, results, promotion)
    except Exception as error:  # noqa: BLE001  # of the model, of cleanlab, of a full disk: the promotion is done
        _logger.warning("the label issues of run %s are not shown: %s", run.key, first_line(error))


def _review(run: Run, results: RunResults, promotion: PromotionResult) -> None:
    bundle = Bundle.load(results.export.path / BUNDLE)
    engine = Engine(bundle)
    rows = _sampled_rows(run, results, engine)
    found = find_issue_tasks(rows, engine.labels, engine.tags, engine.row_labels)
    version = promotion.version
    report = LabelTaskReport(
        model=version.address if version else bundle.manifest.name,
        recipe=run.recipe.name,
        rows=len(rows),
        found=len(found),
        tasks=found[:SHOWN],
        names=names_of(bundle.manifest),
    )
    page = mlflow_page(run.tracking_uri, f"models/{version.name}/versions/{version.number}") if version else None
    show_issues(report, page)


def _sampled_rows(run: Run, results: RunResults, engine: Engine) -> list[HeldOutRow]:
    """Return held-out rows that nobody has decided about, with predictions; of many, as many as the recipe allows."""
    snapshot, splits = results.snapshot.load(), results.splits.load()
    overlay = read_overlay(overlay_path(run.store, run.recipe.name), run.shared)
    held_out = ((split, row) for split in HELD_OUT for row in splits.stream(snapshot, split))
    undecided = ((split, row) for split, row in held_out if overlay.of(row) is None)
    sample = reservoir_sample(undecided, run.recipe.label_review_rows, 0)
    known = {row.id: row for row in results.evaluation.load().rows}
    rows: list[HeldOutRow] = []
    for split in HELD_OUT:
        examples = [row for its_split, row in sample if its_split == split]
        predictions = [known[row.id] for row in examples] if split == "test" else None
        rows += predict_held_out(engine, examples, split, predictions)
    return rows


def show_issues(report: LabelTaskReport, page: str | None) -> None:
    """Show the report in Prefect, with a link to the version in MLflow if that has pages."""
    links = {f"{report.model} in MLflow": page} if page else {}
    show_markdown("label-issues", report.markdown(links), report.summary)
