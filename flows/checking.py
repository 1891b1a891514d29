"""Read a source and check its rows, with nothing trained, registered or kept."""

import shutil
from pathlib import Path

from corpus.snapshot import Snapshot
from recipes.recipe import Recipe
from tasks.extract import extract
from tasks.run import Run
from tasks.split import split
from tasks.validate import ValidationReport, validate


def check_data(recipe: Recipe, store: Path) -> tuple[ValidationReport, int]:
    """Extract, validate and split as a run would, without Prefect or MLflow.

    Returns:
        The report and the number of rows.

    Raises:
        AssayError: the source cannot be read, a critical check failed, or the rows cannot be split.
    """
    folder = store / "checks" / recipe.name
    # A store of its own: the ledger of sides must not hear of rows that no run has used.
    run = Run(key="check", recipe=recipe, store=folder, tracking_uri="", mlflow_run="")
    try:
        snapshot = extract.fn(run)
        report = ValidationReport.load(validate.fn(run, snapshot).path)
        split.fn(run, snapshot)
        return report, len(Snapshot.load(snapshot.path))
    finally:
        # What was rejected stays: the error line points to it.
        for part in (folder / "ledger", *run.folder.glob("*/")):
            shutil.rmtree(part, ignore_errors=True)
