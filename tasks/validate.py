"""Validate a snapshot: critical faults stop the run, warnings are reported."""

import logging
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from corpus.errors import DataError
from corpus.snapshot import Snapshot
from expectations.report import ValidationReport
from recipes.recipe import Recipe
from tasks.pages import show_markdown
from tasks.run import Ref, Run

__all__ = ["ValidationReport", "validate"]

DOCS = "docs"
_log = logging.getLogger(__name__)


@task(cache_policy=NO_CACHE)
def validate(run: Run, snapshot: Ref) -> Ref:
    """Hold the recipe's suite against a snapshot.

    Returns:
        A folder with the report (`ValidationReport.load`) and Data Docs in `docs/`.

    Raises:
        DataError: a critical check failed; the report is kept, so that a rerun on the same data stops at once.
    """

    def make(folder: Path) -> None:
        # Here, because importing Great Expectations takes seconds, and a finished step does not need it.
        from expectations.checking import check_snapshot

        check_snapshot(Snapshot.load(snapshot.path), run.recipe, folder / DOCS).save(folder)

    result = run.once("validate", {"snapshot": snapshot.digest, **_settings(run.recipe)}, make)
    report = ValidationReport.load(result.path)
    show_markdown("validation", report.markdown(), f"Data checks of {run.recipe.name}")
    for check in report.warnings:
        _log.warning("validation: %s", check.why)
    if (line := report.stop_line()) is not None:
        raise DataError(line)
    return result


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The parts of the recipe that choose the checks."""
    return {
        "validation": recipe.validation.model_dump(mode="json"),
        "cleaning": recipe.model.cleaning.model_dump(mode="json"),
        "heads": recipe.heads,
        "split": recipe.split.method,
        "text_pair": recipe.source.fields.text_pair,
    }
