"""The trainings of one run: the first one, and those that follow where the gate would refuse its model.

What is decided here is decided on validation rows. Each kind of retry has at most `retrigger.max_attempts`
tries, every step of it is a step of the run (so that a killed run goes on inside), and each try is told of in
the verdict.
"""

import logging
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
from assay.tasks.export import export
from assay.tasks.mitigate import accept_mitigation, changes_of, mitigate
from assay.tasks.record_attempts import record_attempts
from assay.tasks.score import ValidationScores, score
from assay.tasks.train import train
from assay.tasks.tune import tune
from assay.tasks.tuning.result import TuningResult

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A trained and exported model, and what validation rows say of it: nothing where nothing depends on it."""

    checkpoint: ArtifactRef[Checkpoint]
    bundle: ArtifactRef[ExportReport]
    tuned: ArtifactRef[TuningResult] | None
    weights: ArtifactRef[SampleWeights] | None
    scored: ArtifactRef[ValidationScores] | None

    @property
    def validation_scores(self) -> ValidationScores:
        """What validation rows say."""
        return self.scored.load() if self.scored else ValidationScores(f1={}, slices=[])


def best_candidate(
    run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]
) -> tuple[Candidate, list[Attempt]]:
    """Train; after a low score search for better settings, for slices that fall short weigh their rows, train again.

    Returns:
        The candidate that goes to the gate, and the story of all attempts; empty where the recipe allows no second.

    Raises:
        AssayError: a step failed in a way that a person can mend.
    """
    attempts = Attempts(run, snapshot, splits)
    attempts.begin()
    attempts.tune_while_low()
    attempts.mitigate_while_unfair()
    if attempts.story:
        record_attempts(run, attempts.story)
    return attempts.best, attempts.story


class Attempts:
    """The trainings of a run as they happen: `best` is the one to go on with, `story` tells of all."""

    best: Candidate

    def __init__(self, run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]) -> None:
        self._run = run
        self._data = snapshot, splits
        self._recipe = run.recipe
        self._tries = range(1, run.recipe.retrigger.max_attempts + 1)
        self.story: list[Attempt] = []

    def begin(self) -> None:
        """Search for settings where the recipe wants that first, and train."""
        tuned = tune(self._run, *self._data) if searches_first(self._recipe) else None
        self.best = self._train(FIRST, tuned, None)
        if self.best.scored:
            why = "the recipe as it stands" if tuned is None else "with the settings of a search"
            self._tell("first", 0, why, self.best, True, "nothing to compare with")

    def tune_while_low(self) -> None:
        """Search (on) for better settings while a head's F1 is below the gate's threshold."""
        for number in self._tries if self._recipe.tuning else ():
            low = self.best.validation_scores.below(self._recipe.gate)
            if not low:
                return
            searches = number if searches_first(self._recipe) else number - 1
            name = f"tuned {number}"
            candidate = self._train(name, _named(tune, name)(self._run, *self._data, searches), None)
            gain = candidate.validation_scores.score - self.best.validation_scores.score
            why = "; ".join(f"F1 of {head} was {f1:.3f}, below gate.min_f1" for head, f1 in low.items())
            self._tell("tuned", number, why, candidate, gain > 0, f"mean F1 of the heads changes by {gain:+.3f}")

    def mitigate_while_unfair(self) -> None:
        """Weigh the rows of slices that fall short, each time on top of the time before, while some do.

        A model that falls short as a whole is left as it is: it will be refused, whatever its slices.
        """
        latest = self.best
        for number in self._tries:
            before, failed = self.best.validation_scores, latest.validation_scores.failed
            if latest.scored is None or not failed or before.below(self._recipe.gate):
                return
            name = f"mitigated {number}"
            weighed = _named(mitigate, name)(self._run, latest.scored, *self._data, latest.weights)
            weights = SampleWeights.load(weighed.path)
            if not weights.weights:
                return
            latest = self._train(name, self.best.tuned, weighed)
            changes = changes_of(weights, before, latest.validation_scores)
            rule = self._recipe.retrigger.mitigation
            kept, reason = accept_mitigation(rule, self._recipe.gate, before, latest.validation_scores, changes)
            why = "slices fell short: " + ", ".join(sorted({finding.key.name for finding in failed}))
            self._tell("mitigated", number, why, latest, kept, reason, changes)

    def _train(
        self, name: str, tuned: ArtifactRef[TuningResult] | None, weights: ArtifactRef[SampleWeights] | None
    ) -> Candidate:
        checkpoint = _named(train, name)(self._run, *self._data, tuned, weights, name)
        bundle = _named(export, name)(self._run, checkpoint, *self._data)
        scored = _named(score, name)(self._run, bundle, *self._data) if _needs_scores(self._recipe) else None
        return Candidate(checkpoint, bundle, tuned, weights, scored)

    def _tell(
        self,
        kind: Literal["first", "tuned", "mitigated"],
        number: int,
        why: str,
        candidate: Candidate,
        kept: bool,
        reason: str,
        changes: Sequence[SliceChange] = (),
    ) -> None:
        """Add to the story, and go on with the candidate if it is kept."""
        attempt = Attempt(
            kind=kind,
            number=number,
            why=why,
            settings=TuningResult.load(candidate.tuned.path).best.settings if candidate.tuned else {},
            f1=candidate.validation_scores.f1,
            short=[f"{finding.key.name} ({finding.head})" for finding in candidate.validation_scores.failed],
            slices=list(changes),
            kept=kept,
            reason=reason,
        )
        _log.info("%s", attempt)
        self.story.append(attempt)
        self.best = candidate if kept else self.best


def searches_first(recipe: Recipe) -> bool:
    """Whether settings are searched before the first training."""
    return recipe.tuning is not None and recipe.tuning.when == "first"


def _needs_scores(recipe: Recipe) -> bool:
    """Whether anything depends on what validation rows say of a bundle, or has to be told."""
    may_mitigate = recipe.gate.slices.active and recipe.retrigger.max_attempts > 0
    return may_mitigate or recipe.tuning is not None


def _named(step: Task[P, R], attempt: str) -> Task[P, R]:
    """The step under a name that says which attempt it belongs to."""
    return step if attempt == FIRST else step.with_options(task_run_name=f"{step.name} ({attempt})")
