"""The trainings of one run: why each was made, what it brought, and whether it was kept."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from assay.recipes.recipe import Head
from assay.recipes.training_section import Setting
from assay.recipes.tuned_settings import overrides_of

FIRST = "first"


class SliceChange(BaseModel):
    """A slice that fell short on validation rows: its F1 before and after, and how many training rows it has."""

    model_config = ConfigDict(frozen=True)

    head: Head
    name: str
    training_rows: int
    before: float
    after: float


class Attempt(BaseModel):
    """One training of a run. All figures are of the exported bundle on validation rows.

    `settings` are those that differ from the recipe, `f1` that of each head, `short` the slices that fall short,
    `slices` what became of those that fell short before; `why` says what it was made for, `reason` what decided
    whether it was `kept`.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["first", "tuned", "mitigated"]
    number: int = Field(0, description="Among those of its kind; the first training has none")
    why: str
    settings: dict[str, Setting] = Field(default_factory=dict)
    f1: dict[Head, float]
    short: list[str] = Field(default_factory=list)
    slices: list[SliceChange] = Field(default_factory=list)
    kept: bool
    reason: str

    @property
    def name(self) -> str:
        """As people call it: `first`, `tuned 1`, `mitigated 1`."""
        return f"{self.kind} {self.number}" if self.number else self.kind

    @property
    def metrics(self) -> str:
        """F1 of each head."""
        return ", ".join(f"{head} {value:.3f}" for head, value in self.f1.items())

    @property
    def overrides(self) -> str:
        """The settings as `--set` takes them."""
        return " ".join(overrides_of(self.settings))

    def __str__(self) -> str:
        """One line."""
        kept = "kept" if self.kept else "not kept"
        return f"{self.name} ({self.why}): F1 on validation rows {self.metrics}; {kept}: {self.reason}"
