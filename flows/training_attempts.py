"""The trainings of one run: the first one, and further attempts if the gate would refuse its model.

All decisions are based on validation rows. There are at most `retrigger.max_attempts` attempts of each kind. Every step
of an attempt is a step of the run, so that a killed run resumes within it, and the verdict reports every attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, ParamSpec, TypeVar

from prefect import Task

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.attempts import FIRST, Attempt, SliceChange
from assay.evaluation.export_report import ExportReport
from assay.models.checkpoint import Checkpoint
from assay.models.sample_weights import SampleWeights
from assay.recipes.recipe import Recipe
from assay.runs.run import Run
from assay.runs.step_progress import note
from assay.serving.bundle import Precision
from assay.tasks.export import export
from assay.tasks.mitigate import accept_mitigation, changes_of, mitigate
from assay.tasks.record_attempts import record_attempts
from assay.tasks.score import ValidationScores, score
from assay.tasks.train import train
from assay.tasks.tune import tune
from assay.tasks.tuning.result import TuningResult

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Candidate:
    """A trained and exported model, and its scores on validation rows; None if no decision depends on them."""

    checkpoint: ArtifactRef[Checkpoint]
    bundle: ArtifactRef[ExportReport]
    tuned: ArtifactRef[TuningResult] | None
    weights: ArtifactRef[SampleWeights] | None
    scores: ArtifactRef[ValidationScores] | None

    @property
    def validation_scores(self) -> ValidationScores:
        """Return the scores on validation rows; empty if there are none."""
        return self.scores.load() if self.scores else ValidationScores(f1={}, slices=[])


def best_candidate(
    run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits], precisions: Sequence[Precision] = ()
) -> tuple[Candidate, list[Attempt]]:
    """Train; tune after a score below the threshold, reweight the rows of slices below it, and train again.

    `precisions` is the order of preference of a version that is reproduced (see `export`).

    Returns:
        The candidate for the gate, and all attempts; empty if the recipe allows no further attempt.

    Raises:
        AssayError: a step failed in a way that a user can fix.
    """
    attempts = Attempts(run, snapshot, splits, precisions)
    attempts.train_first()
    attempts.tune_while_low()
    attempts.mitigate_while_unfair()
    if attempts.history:
        record_attempts(run, attempts.history)
    return attempts.best, attempts.history


class Attempts:
    """The trainings of a run: `best` is the candidate so far, `history` holds all attempts."""

    best: Candidate

    def __init__(
        self, run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits], precisions: Sequence[Precision]
    ) -> None:
        self._run = run
        self._data = snapshot, splits
        self._precisions = precisions
        self._recipe = run.recipe
        self._numbers = range(1, run.recipe.retrigger.max_attempts + 1)
        self.history: list[Attempt] = []

    def train_first(self) -> None:
        """Search for settings if the recipe asks for that first, and train."""
        tuned = tune(self._run, *self._data) if searches_first(self._recipe) else None
        self.best = self._train(FIRST, tuned, None)
        if self.best.scores:
            why = "the recipe as written" if tuned is None else "with the settings of a search"
            self._record("first", 0, why, self.best, True, "nothing to compare with")

    def tune_while_low(self) -> None:
        """Search for better settings, or continue the search, while the F1 of a head is below the gate's threshold."""
        for number in self._numbers if self._recipe.tuning else ():
            low = self.best.validation_scores.below(self._recipe.gate)
            if not low:
                return
            searches = number if searches_first(self._recipe) else number - 1
            name = f"tuned {number}"
            candidate = self._train(name, _named(tune, name)(self._run, *self._data, searches), None)
            gain = candidate.validation_scores.score - self.best.validation_scores.score
            why = "; ".join(f"F1 of {head} was {f1:.3f}, below gate.min_f1" for head, f1 in low.items())
            self._record("tuned", number, why, candidate, gain > 0, f"mean F1 of the heads changes by {gain:+.3f}")

    def mitigate_while_unfair(self) -> None:
        """Reweight the rows of slices below the threshold, building on the previous weights, while there are any.

        A model below the overall threshold is not mitigated: the gate will refuse it, whatever its slices.
        """
        latest = self.best
        for number in self._numbers:
            before, failed = self.best.validation_scores, latest.validation_scores.failed
            if latest.scores is None or not failed or before.below(self._recipe.gate):
                return
            name = f"mitigated {number}"
            reweighted = _named(mitigate, name)(self._run, latest.scores, *self._data, latest.weights)
            weights = SampleWeights.load(reweighted.path)
            if not weights.weights:
                return
            latest = self._train(name, self.best.tuned, reweighted)
            changes = changes_of(weights, before, latest.validation_scores)
            rule = self._recipe.retrigger.mitigation
            accepted, reason = accept_mitigation(rule, self._recipe.gate, before, latest.validation_scores, changes)
            why = "slices below the threshold: " + ", ".join(sorted({finding.key.name for finding in failed}))
            self._record("mitigated", number, why, latest, accepted, reason, changes)

    def _train(
        self, name: str, tuned: ArtifactRef[TuningResult] | None, weights: ArtifactRef[SampleWeights] | None
    ) -> Candidate:
        checkpoint = _named(train, name)(self._run, *self._data, tuned, weights, name)
        bundle = _named(export, name)(self._run, checkpoint, *self._data, self._precisions)
        scores = _named(score, name)(self._run, bundle, *self._data) if _needs_scores(self._recipe) else None
        return Candidate(checkpoint, bundle, tuned, weights, scores)

    def _record(
        self,
        kind: Literal["first", "tuned", "mitigated"],
        number: int,
        why: str,
        candidate: Candidate,
        accepted: bool,
        reason: str,
        changes: Sequence[SliceChange] = (),
    ) -> None:
        """Add an attempt to the history, and make its candidate the best one if it is accepted."""
        attempt = Attempt(
            kind=kind,
            number=number,
            why=why,
            settings=TuningResult.load(candidate.tuned.path).best.settings if candidate.tuned else {},
            f1=candidate.validation_scores.f1,
            below_threshold=[f"{finding.key.name} ({finding.head})" for finding in candidate.validation_scores.failed],
            slices=list(changes),
            accepted=accepted,
            reason=reason,
        )
        if kind != "first":
            note(str(attempt))
        self.history.append(attempt)
        self.best = candidate if accepted else self.best


def searches_first(recipe: Recipe) -> bool:
    """Return whether the recipe searches for settings before the first training."""
    return recipe.tuning is not None and recipe.tuning.when == "first"


def _needs_scores(recipe: Recipe) -> bool:
    """Return whether a decision or a report depends on the scores on validation rows."""
    may_mitigate = recipe.gate.slices.active and recipe.retrigger.max_attempts > 0
    return may_mitigate or recipe.tuning is not None


def _named(step: Task[P, R], attempt: str) -> Task[P, R]:
    """Return the step with the attempt in its task run name."""
    return step if attempt == FIRST else step.with_options(task_run_name=f"{step.name} ({attempt})")
