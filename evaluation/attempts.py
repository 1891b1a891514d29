"""The trainings of one run: the reason for each, its validation scores, and whether it was kept."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from assay.recipes.recipe import Head
from assay.recipes.training_section import Setting
from assay.recipes.tuned_settings import overrides_of

FIRST = "first"


class SliceChange(BaseModel):
    """A slice below its threshold on validation rows: F1 before and after, and its number of training rows."""

    model_config = ConfigDict(frozen=True)

    head: Head
    name: str
    training_rows: int
    before: float
    after: float


class Attempt(BaseModel):
    """One training of a run. All metrics are those of the exported bundle on validation rows.

    `settings` holds the settings that differ from the recipe, `f1` the F1 of each head, and `below_threshold` the
    slices below their threshold. `slices` holds the change of each slice that was below its threshold before. `why` is
    the purpose of the training, `reason` the reason why it was `accepted` or not.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["first", "tuned", "mitigated"]
    number: int = Field(0, description="Number among the attempts of its kind; 0 for the first training")
    why: str
    settings: dict[str, Setting] = Field(default_factory=dict)
    f1: dict[Head, float]
    below_threshold: list[str] = Field(default_factory=list)
    slices: list[SliceChange] = Field(default_factory=list)
    accepted: bool
    reason: str

    @property
    def name(self) -> str:
        """Return the display name: `first`, `tuned 1`, `mitigated 1`."""
        return f"{self.kind} {self.number}" if self.number else self.kind

    @property
    def metrics(self) -> str:
        """Return the F1 of each head as text."""
        return ", ".join(f"{head} {value:.3f}" for head, value in self.f1.items())

    @property
    def overrides(self) -> str:
        """Return the settings in the syntax of `--set`."""
        return " ".join(overrides_of(self.settings))

    def __str__(self) -> str:
        """Return a summary in one line."""
        kept = "kept" if self.accepted else "not kept"
        return f"{self.name} ({self.why}): F1 on validation rows {self.metrics}; {kept}: {self.reason}"
