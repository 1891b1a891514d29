"""What the gate looks at: the candidate, the evidence on it, the champion."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path

from corpus.errors import AssayError
from corpus.example import Example
from corpus.snapshot import Snapshot
from corpus.splits import SideRows, Splits
from expectations.report import ValidationReport
from recipes.recipe import Gate
from serving.bundle import Bundle
from serving.engine import Engine
from tasks.evaluate import BUNDLE, Evaluation, read_test_rows
from tasks.export import ExportReport
from tasks.registry import registry_of
from tasks.run import Ref, Run
from tasks.scoring.answers import Answer, answer_rows
from tasks.versions.row_sample import sample_rows
from tasks.versions.store import Version


class Case:
    """A candidate before the gate.

    What names the verdict (bundle, data, champion) is read at once, and without it there is no verdict. The
    evidence is read when a check first asks for it, so that what is missing or damaged fails that check.
    """

    def __init__(
        self, run: Run, validation: Ref, export: Ref, evaluation: Ref, snapshot: Ref, splits: Ref, folder: Path
    ) -> None:
        """Read what names the verdict.

        Args:
            run: with the recipe and its rules.
            validation: result of the data checks.
            export: the candidate's bundle and what export measured.
            evaluation: the candidate's figures.
            snapshot: the data.
            splits: the sides.
            folder: an empty folder for the champion's bundle.

        Raises:
            AssayError: bundle, data or registry cannot be read.
        """
        self.run = run
        self._validation = validation
        self._export = export
        self._evaluation = evaluation
        self._refs = snapshot, splits
        self._folder = folder
        self._registry = registry_of(run)
        self.bundle = Bundle.load(export.path / BUNDLE)
        self.snapshot = Snapshot.load(snapshot.path).manifest
        sides = Splits.load(splits.path)
        self.splits, self.clusters = sides.manifest, sides.clusters
        self._test_rows = sample_rows(sides.ids("test"))
        self.champion = self._registry.champion()
        self.last_champion = self.champion.number if self.champion else self._registry.last_champion()

    @property
    def rules(self) -> Gate:
        """What the recipe asks for."""
        return self.run.recipe.gate

    @cached_property
    def validation(self) -> ValidationReport:
        """The answer of the data checks.

        Raises:
            AssayError: they are about other data.
        """
        report = ValidationReport.load(self._validation.path)
        _same("snapshot", report.snapshot, self.snapshot.digest, self._validation.path, "validate")
        return report

    @cached_property
    def export(self) -> ExportReport:
        """What export measured."""
        return ExportReport.load(self._export.path)

    @cached_property
    def evaluation(self) -> Evaluation:
        """The candidate's figures on the test rows.

        Raises:
            AssayError: they are about another bundle or other rows.
        """
        evaluation = Evaluation.load(self._evaluation.path)
        _same("bundle", evaluation.bundle, self.bundle.digest, self._evaluation.path, "evaluate")
        if [answer.id for answer in evaluation.rows] != [example.id for example in self.examples]:
            raise AssayError(
                f"{self._evaluation.path} is about other rows than the test side; run with --from evaluate"
            )
        return evaluation

    @cached_property
    def engine(self) -> Engine:
        """The candidate, loaded."""
        return Engine(self.bundle)

    @cached_property
    def examples(self) -> list[Example]:
        """The test rows."""
        return read_test_rows(*self._refs)

    @property
    def training(self) -> SideRows:
        """The training rows, read as they are asked for."""
        snapshot, splits = self._refs
        return Splits.load(splits.path).stream(Snapshot.load(snapshot.path), "train")

    @cached_property
    def challengers_before(self) -> int:
        """How many others than candidate and champion were compared on some of these test rows: each had its chance.

        New training rows do not start the count anew, nor do some new test rows beside the old ones.
        """
        known = {self.bundle.digest, self.champion.bundle if self.champion else ""}
        return len({version.bundle for version in self._registry.compared_on(self._test_rows)} - known)

    @cached_property
    def former(self) -> Version | None:
        """The last former champion whose bundle can still be fetched, where the registry has no champion."""
        former = self._registry.former_champions() if self.champion is None else []
        for version in former:
            with suppress(AssayError):
                self._registry.fetch(version, self._folder / BUNDLE)
                return version
        return None

    @property
    def rival(self) -> Version | None:
        """What the candidate is compared with: the champion, or the last former one where that is gone."""
        return self.champion or self.former

    @cached_property
    def rolled_back(self) -> str | None:
        """Which rollback took this bundle down; None where none did, or where it is the champion."""
        if self.champion is not None and self.champion.bundle == self.bundle.digest:
            return None
        return self._registry.why_rolled_back(self.bundle.digest)

    @cached_property
    def champion_bundle(self) -> Bundle:
        """Bundle of `rival`, fetched and verified.

        Raises:
            AssayError: there is no champion, or its bytes are not those that were registered.
        """
        if self.rival is None:
            raise AssayError(f"{self.run.recipe.registry.name} has no champion yet")
        return self._registry.fetch(self.rival, self._folder / BUNDLE)

    @cached_property
    def champion_engine(self) -> Engine:
        """The champion, loaded."""
        return Engine(self.champion_bundle)

    @cached_property
    def champion_answers(self) -> list[Answer]:
        """What the champion says, now, to the test rows of now."""
        return answer_rows(self.champion_engine, self.examples, self.clusters)


def _same(what: str, found: str, wanted: str, path: Path, step: str) -> None:
    if found != wanted:
        raise AssayError(f"{path} is about {what} {found[:12]}, not {wanted[:12]}; run with --from {step}")
