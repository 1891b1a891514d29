"""Read a source and check its rows, without training or registering anything."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from assay.corpus.errors import AssayError, DataError
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import ledger_path
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.recipe import Recipe
from assay.runs.lifecycle import run_lock
from assay.runs.run import Run
from assay.runs.step_result import newest_result
from assay.tasks.extract import extract
from assay.tasks.split import split
from assay.tasks.validate import DOCS, ValidationReport, validate


def check_data(recipe: Recipe, store: Path) -> tuple[ValidationReport, int, list[str]]:
    """Extract, validate and split as a run would, without Prefect or MLflow.

    If a critical check fails, its Data Docs stay in `checks/RECIPE/docs` of the store, and the error names them.

    Returns:
        The report, the number of rows, and the warnings of the split.

    Raises:
        AssayError: the source cannot be read, a critical check failed, the rows cannot be split, or another process
            is already checking this recipe.
    """
    folder = store / "checks" / recipe.name
    docs = folder / DOCS
    run = Run(key="check", recipe=recipe, store=folder, tracking_uri="", mlflow_run="")
    with _locked(run.folder):
        return _check(run, docs)


def _check(run: Run, docs: Path) -> tuple[ValidationReport, int, list[str]]:
    shutil.rmtree(docs, ignore_errors=True)  # from an earlier check
    # The check has its own store and ledger: the ledger of the runs must not record rows that no run has used.
    if (ledger := ledger_path(run.store.parents[1], run.recipe.name)).exists():
        ledger_path(run.store, run.recipe.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ledger, ledger_path(run.store, run.recipe.name))
    try:
        snapshot = extract.fn(run)
        report = _validate(run, snapshot, docs)
        splits = Splits.load(split.fn(run, snapshot).path)
        return report, len(snapshot.load()), splits.manifest.warnings
    finally:
        # The rejected rows stay, since the error points to them.
        for path in (run.store / "ledger", *run.folder.glob("*/")):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with run_lock(folder):
            yield
    except Timeout:
        raise AssayError(f"another process is already using {folder}; wait until it has ended") from None


def _validate(run: Run, snapshot: ArtifactRef[Snapshot], docs: Path) -> ValidationReport:
    """Return the report; if a critical check fails, move its Data Docs to `docs` before the rest is removed."""
    try:
        return ValidationReport.load(validate.fn(run, snapshot).path)
    except DataError as error:
        result = newest_result(run.folder, "validate")
        if result is None:
            raise
        shutil.move(result / DOCS, docs)
        raise DataError(f"{error}; every check: {docs / 'index.html'}") from error
