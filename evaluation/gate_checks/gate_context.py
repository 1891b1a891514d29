"""What the gate looks at: the candidate, the evidence on it, the champion."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.splits import SplitRows
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
    """Digests of the data of a registered version, and the id of the ledger; None where the registry does not say."""

    snapshot: str | None
    splits: str | None
    ledger: str | None


class RegisteredVersion(Protocol):
    """What the gate reads of a registered version."""

    @property
    def number(self) -> str:
        """Its number in the registry."""

    @property
    def bundle(self) -> str:
        """Digest of its bundle."""

    @property
    def data(self) -> VersionData:
        """What it was trained and tested on."""


V = TypeVar("V", bound=RegisteredVersion)


class ModelVersions(Protocol[V]):
    """What the gate asks the registry."""

    def champion(self) -> V | None:
        """Return the version that serves."""

    def last_champion(self) -> str | None:
        """Return the number of the last champion, which may be deleted by now."""

    def former_champions(self) -> list[V]:
        """Return the champions that are left, the last one first."""

    def compared_on(self, sample: str) -> list[V]:
        """Return the versions whose test rows overlap with those of the sample."""

    def fetch(self, version: V, folder: Path) -> Bundle:
        """Download the bundle of a version."""

    def why_rolled_back(self, bundle: str) -> str | None:
        """Name the rollback that took a bundle down."""


class GateContext(Generic[V]):
    """A candidate before the gate.

    What names the verdict (bundle, data, champion) is read at once, and without it there is no verdict. The
    evidence is read when a check first asks for it, so that what is missing or damaged fails that check.
    """

    def __init__(self, recipe: Recipe, results: RunResults, versions: ModelVersions[V], folder: Path) -> None:
        """Read what names the verdict.

        Args:
            recipe: the rules.
            results: of the run that made the candidate.
            versions: of the registered model.
            folder: an empty folder for the champion's bundle.

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
        """What the recipe asks for."""
        return self.recipe.gate

    @cached_property
    def validation(self) -> ValidationReport:
        """The answer of the data checks.

        Raises:
            AssayError: they are about other data.
        """
        report = self._results.validation.load()
        _same("snapshot", report.snapshot, self.snapshot.digest, self._results.validation.path, "validate")
        return report

    @cached_property
    def export(self) -> ExportReport:
        """What export measured."""
        return self._results.export.load()

    @cached_property
    def evaluation(self) -> Evaluation:
        """The candidate's figures on the test rows.

        Raises:
            AssayError: they are about another bundle or other rows.
        """
        evaluation = self._results.evaluation.load()
        _same("bundle", evaluation.bundle, self.bundle.digest, self._results.evaluation.path, "evaluate")
        if [answer.id for answer in evaluation.rows] != [example.id for example in self.examples]:
            raise AssayError(
                f"{self._results.evaluation.path} is about other rows than the test side; run with --from evaluate"
            )
        return evaluation

    @cached_property
    def engine(self) -> Engine:
        """The candidate, loaded."""
        return Engine(self.bundle)

    @cached_property
    def examples(self) -> list[Example]:
        """The test rows."""
        return read_test_rows(self._results.snapshot.load(), self._results.splits.load())

    @property
    def training(self) -> SplitRows:
        """The training rows, read as they are asked for."""
        return self._results.splits.load().stream(self._results.snapshot.load(), "train")

    @cached_property
    def challengers_before(self) -> int:
        """How many others than candidate and champion were compared on some of these test rows: each had its chance.

        New training rows do not start the count anew, nor do some new test rows beside the old ones.
        """
        known = {self.bundle.digest, self.champion.bundle if self.champion else ""}
        return len({version.bundle for version in self._versions.compared_on(self._test_rows)} - known)

    @cached_property
    def former(self) -> V | None:
        """The last former champion whose bundle can still be fetched, where the registry has no champion."""
        former = self._versions.former_champions() if self.champion is None else []
        for version in former:
            with suppress(AssayError):
                self._versions.fetch(version, self._folder / BUNDLE)
                return version
        return None

    @property
    def rival(self) -> V | None:
        """What the candidate is compared with: the champion, or the last former one where that is gone."""
        return self.champion or self.former

    @cached_property
    def rolled_back(self) -> str | None:
        """Which rollback took this bundle down; None where none did, or where it is the champion."""
        if self.champion is not None and self.champion.bundle == self.bundle.digest:
            return None
        return self._versions.why_rolled_back(self.bundle.digest)

    @cached_property
    def champion_bundle(self) -> Bundle:
        """Bundle of `rival`, fetched and verified.

        Raises:
            AssayError: there is no champion, or its bytes are not those that were registered.
        """
        if self.rival is None:
            raise AssayError(f"{self.recipe.registry.name} has no champion yet")
        return self._versions.fetch(self.rival, self._folder / BUNDLE)

    @cached_property
    def champion_engine(self) -> Engine:
        """The champion, loaded."""
        return Engine(self.champion_bundle)

    @cached_property
    def champion_predictions(self) -> list[LabelledPrediction]:
        """What the champion says, now, to the test rows of now."""
        return predict_rows(self.champion_engine, self.examples, self.clusters)


def _same(what: str, found: str, wanted: str, path: Path, step: str) -> None:
    if found != wanted:
        raise AssayError(f"{path} is about {what} {found[:12]}, not {wanted[:12]}; run with --from {step}")
