"""The gate context: the candidate, the results of its run, and the champion."""

from collections import Counter
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from assay.corpus.corrected_rows import read_corrected_rows
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.splits import SPLIT_NAMES, SplitName, SplitRows
from assay.evaluation.bundle_evaluation import Evaluation, read_test_rows
from assay.evaluation.export_report import BUNDLE, ExportReport
from assay.evaluation.labelled_predictions import LabelledPrediction, predict_rows
from assay.evaluation.row_sample import sample_rows
from assay.evaluation.run_results import RunResults
from assay.expectations.validation_report import ValidationReport
from assay.recipes.recipe import Gate, Recipe
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine


class VersionData(NamedTuple):
    """Digests of the data of a registered version, and the id of the split ledger; None if not recorded."""

    snapshot: str | None
    splits: str | None
    ledger: str | None


class ComparedVersion(Protocol):
    """Attributes of a registered version that the gate reads."""

    @property
    def number(self) -> str:
        """Return its number in the registry."""

    @property
    def bundle(self) -> str:
        """Return the digest of its bundle."""

    @property
    def data(self) -> VersionData:
        """Return the digests of its training and test data."""


V = TypeVar("V", bound=ComparedVersion)


class ModelVersions(Protocol[V]):
    """Queries of the gate to the registry."""

    def champion(self) -> V | None:
        """Return the champion."""

    def last_champion(self) -> str | None:
        """Return the number of the last champion, which may have been deleted."""

    def former_champions(self) -> list[V]:
        """Return the remaining former champions, the last one first."""

    def compared_on(self, sample: str) -> list[V]:
        """Return the versions whose test rows overlap with those of the sample."""

    def fetch(self, version: V, folder: Path) -> Bundle:
        """Download the bundle of a version."""

    def why_rolled_back(self, bundle: str) -> str | None:
        """Describe the rollback that removed a bundle."""


class GateContext(Generic[V]):
    """Context of the gate checks of one candidate.

    Bundle, data and champion, which identify the verdict, are read at construction; without them there is no verdict.
    The other results are read when a check first needs them, so that a missing or damaged result fails that check only.
    """

    def __init__(self, recipe: Recipe, results: RunResults, versions: ModelVersions[V], folder: Path) -> None:
        """Read bundle, data and champion.

        Args:
            recipe: recipe with the gate rules.
            results: results of the candidate's run.
            versions: versions of the registered model.
            folder: empty folder for the champion's bundle.

        Raises:
            AssayError: bundle, data or registry cannot be read.
        """
        self.recipe = recipe
        self._results = results
        self._versions = versions
        self._folder = folder
        self.bundle = Bundle.load(results.export.path / BUNDLE)
        self.snapshot = results.snapshot.load().manifest
        splits = results.splits.load()
        self.splits, self.clusters = splits.manifest, splits.clusters
        self._test_rows = sample_rows(splits.ids("test"))
        self.champion = versions.champion()
        self.last_champion = self.champion.number if self.champion else versions.last_champion()

    @property
    def rules(self) -> Gate:
        """Return section `gate` of the recipe."""
        return self.recipe.gate

    @cached_property
    def validation(self) -> ValidationReport:
        """Return the report of the data checks.

        Raises:
            AssayError: the report belongs to another snapshot.
        """
        report = self._results.validation.load()
        _require_same("snapshot", report.snapshot, self.snapshot.digest, self._results.validation.path, "validate")
        return report

    @cached_property
    def export(self) -> ExportReport:
        """Return the report of the export."""
        return self._results.export.load()

    @cached_property
    def evaluation(self) -> Evaluation:
        """Return the candidate's evaluation on the test rows.

        Raises:
            AssayError: the evaluation belongs to another bundle or other rows.
        """
        evaluation = self._results.evaluation.load()
        _require_same("bundle", evaluation.bundle, self.bundle.digest, self._results.evaluation.path, "evaluate")
        if [prediction.id for prediction in evaluation.rows] != [example.id for example in self.examples]:
            raise AssayError(
                f"{self._results.evaluation.path} does not cover the rows of the test split; run with --from evaluate"
            )
        return evaluation

    @cached_property
    def engine(self) -> Engine:
        """Return the engine of the candidate."""
        return Engine(self.bundle)

    @cached_property
    def examples(self) -> list[Example]:
        """Return the test rows."""
        return read_test_rows(self._results.snapshot.load(), self._results.splits.load())

    @property
    def training(self) -> SplitRows:
        """Return the training rows, which are read lazily."""
        return self._results.splits.load().stream(self._results.snapshot.load(), "train")

    @cached_property
    def corrected_rows(self) -> dict[SplitName, int]:
        """Return the number of rows of each split whose labels people have corrected; splits without any are left out.

        Champion and candidate are both scored on the corrected labels.
        """
        split_of = self._results.splits.load().split_of
        changed = (split_of.get(row.id) for row in read_corrected_rows(self._results.snapshot.path))
        counts = Counter(split_name for split_name in changed if split_name is not None)
        return {split_name: counts[split_name] for split_name in SPLIT_NAMES if counts[split_name]}

    @cached_property
    def challengers_before(self) -> int:
        """Return the number of earlier challengers that were tested on some of these test rows.

        New training rows do not reset the count, and neither do additional test rows.
        """
        known = {self.bundle.digest, self.champion.bundle if self.champion else ""}
        return len({version.bundle for version in self._versions.compared_on(self._test_rows)} - known)

    @cached_property
    def former_champion(self) -> V | None:
        """Return the last former champion whose bundle can be fetched, if the registry has no champion."""
        versions = self._versions.former_champions() if self.champion is None else []
        for version in versions:
            with suppress(AssayError):
                self._versions.fetch(version, self._folder / BUNDLE)
                return version
        return None

    @property
    def opponent(self) -> V | None:
        """Return the version to compare with: the champion, or the last former champion if there is none."""
        return self.champion or self.former_champion

    @cached_property
    def rolled_back(self) -> str | None:
        """Return a description of the rollback that removed this bundle; None without one, or for the champion."""
        if self.champion is not None and self.champion.bundle == self.bundle.digest:
            return None
        return self._versions.why_rolled_back(self.bundle.digest)

    @cached_property
    def champion_bundle(self) -> Bundle:
        """Return the fetched and verified bundle of `opponent`.

        Raises:
            AssayError: there is no champion, or its bundle differs from the registered one.
        """
        if self.opponent is None:
            raise AssayError(f"{self.recipe.registry.name} has no champion yet; promote a version first")
        return self._versions.fetch(self.opponent, self._folder / BUNDLE)

    @cached_property
    def champion_engine(self) -> Engine:
        """Return the engine of the champion."""
        return Engine(self.champion_bundle)

    @cached_property
    def champion_predictions(self) -> list[LabelledPrediction]:
        """Return the champion's predictions for the current test rows."""
        return predict_rows(self.champion_engine, self.examples, self.clusters)


def _require_same(what: str, actual: str, expected: str, path: Path, step: str) -> None:
    if actual != expected:
        raise AssayError(f"{path} is about {what} {actual[:12]}, not {expected[:12]}; run with --from {step}")
