"""The result of a search for settings: its trials, and the best of them."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from assay.corpus.errors import AssayError
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.completion_manifest import read_manifest
from assay.recipes.recipe import Recipe
from assay.recipes.training_section import Setting
from assay.recipes.tuned_settings import apply_settings, overrides_of, recipe_part

TUNING = "tuning.json"
RECIPE_PART = "tuned.yaml"
State = Literal["finished", "pruned", "failed"]


class Trial(BaseModel):
    """One trial.

    Attributes:
        number: number of the trial, from 0.
        settings: settings that were tried.
        state: pruned: the trial fell below the others and was stopped. failed: the loss was not finite.
        scores: score on validation rows after each epoch, the mean F1 of the heads.
        why: reason if the trial did not finish.
        keep: epoch whose weights are kept, as in `training.keep`.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    settings: dict[str, Setting]
    state: State
    scores: list[float]
    why: str = ""
    keep: Literal["best", "last"] = "best"

    @property
    def kept_score(self) -> float | None:
        """Return the score of the epoch that a training with these epochs keeps; None without an epoch."""
        if not self.scores:
            return None
        return self.scores[-1] if self.keep == "last" else max(self.scores)

    @property
    def score(self) -> float | None:
        """Return the score of the kept epoch of a finished trial; None otherwise."""
        return self.kept_score if self.state == "finished" else None


class TuningResult(BaseModel):
    """`tuning.json`: all trials in order, and the best one."""

    model_config = ConfigDict(frozen=True)

    best: Trial
    trials: list[Trial]

    @classmethod
    def of(cls, trials: list[Trial]) -> Self:
        """Select the best trial, the first of equal ones.

        Raises:
            AssayError: no trial has finished.
        """
        scored = [(trial.score, -trial.number, trial) for trial in trials if trial.score is not None]
        if not scored:
            why = trials[-1].why if trials else "there was no trial"
            raise AssayError(f"none of {len(trials)} trials has finished ({why}); narrow tuning.space")
        return cls(best=max(scored, key=lambda entry: entry[:2])[2], trials=trials)

    @property
    def overrides(self) -> list[str]:
        """Return the best settings as arguments of `--set`."""
        return overrides_of(self.best.settings)

    def save(self, folder: Path) -> None:
        """Write the result, and the best settings as a part of a recipe, to an existing folder."""
        (folder / RECIPE_PART).write_text(recipe_part(self.best.settings), encoding="utf-8")
        (folder / TUNING).write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a saved result.

        Raises:
            AssayError: there is none.
        """
        return cls.model_validate_json(read_manifest(folder, TUNING, "a finished search", "run with --from tune"))


def tuned_recipe(recipe: Recipe, tuned: ArtifactRef[TuningResult] | None) -> Recipe:
    """Return the recipe with the best settings of a search, or unchanged without one.

    Raises:
        AssayError: there is no finished search.
    """
    return recipe if tuned is None else apply_settings(recipe, tuned.load().best.settings)
