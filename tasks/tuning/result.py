"""What a search for settings leaves: its trials, and the best of them."""

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
    """One try. `scores` are the figures on validation rows after each epoch (mean F1 of the heads).

    `keep` is that of its training: which epoch's weights are the model. Files of before it was written mean `best`.

    A pruned trial was given up because it fell behind; a failed one had a loss that is no number.
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
        """That of the epoch which a training of so many epochs keeps; None where there is none."""
        if not self.scores:
            return None
        return self.scores[-1] if self.keep == "last" else max(self.scores)

    @property
    def score(self) -> float | None:
        """The same; None where the trial did not finish, too."""
        return self.kept_score if self.state == "finished" else None


class TuningResult(BaseModel):
    """`tuning.json`: every trial in order, and which one won."""

    model_config = ConfigDict(frozen=True)

    best: Trial
    trials: list[Trial]

    @classmethod
    def of(cls, trials: list[Trial]) -> Self:
        """Choose the best trial, of equals the first.

        Raises:
            AssayError: none has finished.
        """
        scored = [(trial.score, -trial.number, trial) for trial in trials if trial.score is not None]
        if not scored:
            why = trials[-1].why if trials else "none was made"
            raise AssayError(f"none of {len(trials)} trials has finished ({why}); narrow tuning.space")
        return cls(best=max(scored, key=lambda each: each[:2])[2], trials=trials)

    @property
    def overrides(self) -> list[str]:
        """The best settings as `--set` takes them."""
        return overrides_of(self.best.settings)

    def save(self, folder: Path) -> None:
        """Write the result, and the best settings as a part of a recipe, into an existing folder."""
        (folder / RECIPE_PART).write_text(recipe_part(self.best.settings), encoding="utf-8")
        (folder / TUNING).write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote.

        Raises:
            AssayError: there is none.
        """
        return cls.model_validate_json(read_manifest(folder, TUNING, "a finished search", "run with --from tune"))


def tuned_recipe(recipe: Recipe, tuned: ArtifactRef[TuningResult] | None) -> Recipe:
    """The recipe with the best settings of a search, or as it is without one.

    Raises:
        AssayError: there is no finished search.
    """
    return recipe if tuned is None else apply_settings(recipe, tuned.load().best.settings)
