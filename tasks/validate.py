"""The validation step: check a snapshot. Failed critical checks stop the run, warnings are reported."""

import logging
import time
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, RunTag
from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.errors import AssayError, DataError
from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.tag_check import NAME, tag_check, tokenizer_inputs, unmeasured
from assay.expectations.validation_report import CheckResult, ValidationReport
from assay.recipes.decision_section import cost_classes
from assay.recipes.recipe import Recipe
from assay.runs.mlflow_client import connect
from assay.runs.prefect_artifacts import show_markdown
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.runs.tags import TAG_CHECK_TAG
from assay.runs.tracking import mlflow_reachable

__all__ = ["ValidationReport", "validate"]

DOCS = "docs"
_log = logging.getLogger(__name__)


@task(cache_policy=NO_CACHE)
@reported("validate")
def validate(run: Run, snapshot: ArtifactRef[Snapshot]) -> ArtifactRef[ValidationReport]:
    """Check a snapshot by the rules of the recipe, and measure how many entities its tokenizer can represent.

    Returns:
        A folder with the report (`ValidationReport.load`) and Data Docs in `docs/`.

    Raises:
        DataError: a critical check failed. The report is kept, so that a rerun on the same data stops at once.
        AssayError: the tokenizer could not be loaded. Nothing is kept, since the network may be back the next time.
    """

    def make(folder: Path) -> None:
        # Imported here, since Great Expectations takes seconds to import and a finished step does not need it.
        from assay.expectations.snapshot_check import check_snapshot

        rows = snapshot.load()
        current_step().show(f"checking {counted(len(rows), 'row')}")
        report = check_snapshot(rows, run.recipe, folder / DOCS)
        if not report.critical_failed and (tags := _check_tags(run, rows)) is not None:
            check, metrics = tags
            report = report.model_copy(update={"checks": [*report.checks, check], "metrics": metrics})
        report.save(folder)

    result = run.once("validate", {"snapshot": snapshot.digest, **_settings(run.recipe)}, make).to(ValidationReport)
    report = ValidationReport.load(result.path)
    if report.metrics and run.mlflow_run:  # a data check has no MLflow run
        _log_metrics(run, report)
    current_step().conclude(_summary(report))
    show_markdown("validation", report.markdown(), f"Data checks of {run.recipe.name}")
    for check in report.warnings:
        _log.warning("validation: %s", check.why)
    if (line := report.stop_line()) is not None:
        raise DataError(line)
    return result


def _check_tags(run: Run, rows: Snapshot) -> tuple[CheckResult, dict[str, float]] | None:
    """Return the tag check; a data check without an MLflow run goes on where training would stop."""
    try:
        return tag_check(run.recipe, rows)
    except AssayError as error:
        if run.mlflow_run:
            raise
        return unmeasured(error), {}


def _summary(report: ValidationReport) -> str:
    """Return the number of passed checks in a few words."""
    passed, checks = sum(check.passed for check in report.checks), len(report.checks)
    return f"{checks} checks passed" if passed == checks else f"{passed} of {checks} checks passed"


def _settings(recipe: Recipe) -> dict[str, Any]:
    """Return the parts of the recipe that the checks depend on."""
    return {
        "validation": recipe.validation.model_dump(mode="json"),
        "cleaning": recipe.model.cleaning.model_dump(mode="json"),
        "heads": recipe.heads,
        "split": recipe.split.method,
        "label_map": recipe.source.label_map,
        "cost_classes": cost_classes(recipe.decision),
        "text_pair": recipe.source.fields.text_pair,
        "gate_labels": {head: sorted(rule) for head, rule in recipe.gate.min_recall.items()},
        "labels": recipe.source.fields.labels,
        "tokenizer": tokenizer_inputs(recipe),
    }


def _log_metrics(run: Run, report: ValidationReport) -> None:
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in report.metrics.items()]
    tags = [RunTag(TAG_CHECK_TAG, check.measured) for check in report.checks if check.name == NAME]
    with mlflow_reachable(run.tracking_uri):
        connect(run.tracking_uri).log_batch(run.mlflow_run, metrics=metrics, tags=tags)
