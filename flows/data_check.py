"""Read a source and check its rows, without training or registering anything."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import Timeout

from assay.corpus.errors import AssayError, DataError
from assay.corpus.overlay import overlay_path, read_overlay
from assay.corpus.snapshot import REJECTS, Snapshot
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import ledger_path
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.data_report import DataReport
from assay.evaluation.data_report_parts import of_checks, of_encoding, of_rows, of_splits
from assay.models.encoder_access import encoder_access
from assay.recipes.recipe import Recipe
from assay.runs.lifecycle import run_lock
from assay.runs.run import Run
from assay.runs.source_access import describe_source, reading_of, source_lines
from assay.runs.step_progress import step_progress
from assay.runs.step_result import newest_result
from assay.tasks.extract import read_rows, refusal
from assay.tasks.split import split
from assay.tasks.validate import DOCS, ValidationReport, validate

T = TypeVar("T")


def check_data(recipe: Recipe, store: Path) -> DataReport:
    """Ask for the encoder, then read, check and split the rows as a run would, without Prefect or MLflow.

    Everything that can be found out is in the report, also if the recipe is not ready. If a critical check fails, its
    Data Docs stay in `checks/RECIPE/docs` of the store; rejected rows stay in `checks/RECIPE/runs/check`.

    Args:
        recipe: the recipe.
        store: store of the runs, whose split ledger is read and left as it is.

    Raises:
        AssayError: another process is already checking this recipe.
    """
    folder = store / "checks" / recipe.name
    run = Run(key="check", recipe=recipe, store=folder, tracking_uri="", mlflow_run="")
    with _locked(run.folder):
        shutil.rmtree(folder / DOCS, ignore_errors=True)  # from an earlier check
        (run.folder / REJECTS).unlink(missing_ok=True)
        _copy_ledger(store, run)
        try:
            return _Check(run, store).report(folder / DOCS)
        finally:
            # The rejected rows stay, since the report points to them.
            for path in (run.store / "ledger", *run.folder.glob("*/")):
                shutil.rmtree(path, ignore_errors=True)


class _Check:
    """A check in progress: the parts of the report so far, and the problems, the first first."""

    def __init__(self, run: Run, store: Path) -> None:
        self._run = run
        self._store = store
        self._recipe = run.recipe
        self._parts: dict[str, Any] = {}
        self._problems: list[str] = []

    def report(self, docs: Path) -> DataReport:
        """Do every step that the steps before allow, and return the report."""
        with step_progress("looking for the encoder"):
            encoder = encoder_access(self._recipe.model)
        if (snapshot := self._attempt(self._read)) is not None:
            self._add(of_rows(snapshot.load(), self._recipe))
            self._check(snapshot, docs)
            if encoder.available:
                with step_progress("encoding a sample of the rows"):
                    self._add(self._attempt(lambda: of_encoding(snapshot.load(), self._recipe)))
        if not encoder.available:
            self._problems.append(encoder.detail)
        return DataReport(
            recipe=self._recipe.name,
            ready=not self._problems,
            problems=self._problems,
            source=source_lines(self._recipe.source),
            reading=reading_of(self._recipe),
            encoder=encoder,
            **self._parts,
        )

    def _read(self) -> ArtifactRef[Snapshot] | None:
        """Read the source; None if there is no row."""
        folder = self._run.folder / "rows"
        folder.mkdir(parents=True, exist_ok=True)
        with step_progress("reading the source"):
            overlay = read_overlay(overlay_path(self._store, self._recipe.name), self._run.shared)
            manifest = read_rows(self._recipe, folder, describe_source(self._recipe.source), overlay)
        if manifest.counts.rejects:
            shutil.copyfile(folder / REJECTS, self._run.folder / REJECTS)
        if (line := refusal(manifest, self._recipe, folder / REJECTS)) is not None:
            self._problems.append(line)
        self._parts["counts"] = manifest.counts
        return ArtifactRef[Snapshot](path=folder, digest=manifest.digest) if manifest.counts.rows else None

    def _check(self, snapshot: ArtifactRef[Snapshot], docs: Path) -> None:
        """Check and split the rows; rows that fail a check are split all the same, to show as much as possible."""
        report = self._attempt(lambda: _validate(self._run, snapshot, docs))
        if report is None and (result := newest_result(self._run.folder, "validate")) is not None:
            report = ValidationReport.load(result)
        if report is not None:
            self._add(of_checks(report, snapshot.load(), self._recipe))
        splits = self._attempt(lambda: Splits.load(split.fn(self._run, snapshot).path))
        self._add(of_splits(snapshot.load(), splits))

    def _attempt(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except AssayError as error:
            self._problems.append(str(error))
            return None

    def _add(self, parts: Mapping[str, Any] | None) -> None:
        self._parts.update(parts or {})


def _copy_ledger(store: Path, run: Run) -> None:
    """Copy the ledger: that of the runs must not record rows that no run has used."""
    if (ledger := ledger_path(store, run.recipe.name)).exists():
        ledger_path(run.store, run.recipe.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ledger, ledger_path(run.store, run.recipe.name))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with run_lock(folder):
            yield
    except Timeout:
        raise AssayError(f"another process is already using {folder}; wait until it has ended") from None


def _validate(run: Run, snapshot: ArtifactRef[Snapshot], docs: Path) -> ValidationReport:
    """Return the report; if a critical check fails, copy its Data Docs to `docs` before the rest is removed."""
    try:
        return ValidationReport.load(validate.fn(run, snapshot).path)
    except DataError as error:
        result = newest_result(run.folder, "validate")
        if result is None:
            raise
        shutil.copytree(result / DOCS, docs)
        raise DataError(f"{error}; every check: {docs / 'index.html'}") from error
