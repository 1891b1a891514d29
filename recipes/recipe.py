"""The recipe: everything a run depends on, in one closed, frozen schema."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from assay.corpus.example import Head
from assay.corpus.settings import Closed
from assay.corpus.splitting.settings import Split
from assay.corpus.storage.digest import digest_json
from assay.recipes.bounds import MOST_ROWS
from assay.recipes.gate_section import ChampionRule, CounterfactualRule, Gate, SliceRule
from assay.recipes.model_section import Lora, Model, Scratch
from assay.recipes.monitoring_section import DriftLimits, Monitoring
from assay.recipes.source_section import HubSource, MongoSource, Source
from assay.recipes.training_section import DEFAULTS, Mitigation, Range, Retrigger, Training, Tuning

__all__ = [
    "ChampionRule",
    "CounterfactualRule",
    "DriftLimits",
    "Gate",
    "Head",
    "Lora",
    "Mitigation",
    "Model",
    "Monitoring",
    "Range",
    "Recipe",
    "RegistrySection",
    "Retrigger",
    "Scratch",
    "SliceRule",
    "Split",
    "Training",
    "Tuning",
    "Validation",
]


class Validation(Closed):
    """Limits of the data checks. A critical check that fails stops the run."""

    min_rows: int = Field(20, ge=1, le=MOST_ROWS, description="Fewest rows")
    min_class_rows: int = Field(
        5, ge=2, le=MOST_ROWS, description="Fewest rows of a class: one on each side and some to learn from"
    )
    max_text_length: int = Field(20_000, ge=1, le=MOST_ROWS, description="Longest text, in characters")
    max_duplicate_share: float = Field(
        0.2, ge=0, le=1, description="Share of rows that repeat another row's text; above it a warning"
    )
    max_class_share: float = Field(0.95, gt=0, le=1, description="Share of the largest class; above it a warning")
    labels: list[str] | None = Field(None, description="Allowed classes; none: whatever the source holds")
    entity_labels: list[str] | None = Field(None, description="Allowed entity types; none: whatever there is")


class RegistrySection(Closed):
    """Where the model goes."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=200, description="Registered model")
    tracking_uri: str | None = Field(None, description="MLflow; none: MLFLOW_TRACKING_URI, else sqlite below the store")
    experiment: str | None = Field(
        None, pattern=r"^[^\x00-\x1f]+$", max_length=500, description="MLflow experiment; none: the model's name"
    )

    @model_validator(mode="after")
    def _no_password_in_recipe(self) -> "RegistrySection":
        if "@" in (self.tracking_uri or ""):
            raise ValueError(
                "registry.tracking_uri holds credentials, which would be stored with every run and bundle; "
                "leave it out and set MLFLOW_TRACKING_URI, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return self


class Recipe(Closed):
    """Everything that a run depends on."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100, description="Name of the recipe: lower case, digits, hyphens"
    )
    description: str = Field("", description="One line for the model card")
    source: Source
    validation: Validation = Validation()
    split: Split = Split()
    model: Model
    # Without a default in the schema: a form would fill in what depends on the model.
    training: Training = Field(default_factory=Training)
    tuning: Tuning | None = Field(None, description="none: settings are taken as they stand")
    gate: Gate
    retrigger: Retrigger = Retrigger()
    monitoring: Monitoring = Monitoring()
    registry: RegistrySection
    run_mode: Literal["enabled", "dry_run"] = Field("enabled", description="dry_run: compute everything, move nothing")

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe's canonical JSON, defaults included."""
        return digest_json(self.model_dump(mode="json"))

    @property
    def heads(self) -> list[Head]:
        """The heads in a fixed order: sentence first."""
        return sorted(self.model.heads)

    @property
    def primary(self) -> Head:
        """The head that decides whether a challenger improves."""
        return self.gate.primary or self.heads[0]

    @model_validator(mode="after")
    def _can_be_stored(self) -> "Recipe":
        """Every run and bundle stores the recipe as JSON, which takes no half of a surrogate pair."""
        try:
            self.model_dump_json()
            _ = self.digest
        except ValueError as error:
            raise ValueError(
                f"a value cannot be stored as JSON ({error}); write whole characters and finite numbers"
            ) from error
        return self

    @model_validator(mode="after")
    def _splits_of_the_source_are_used(self) -> "Recipe":
        """A split that the source names is never another one in silence."""
        if self.source.fields.split is not None or isinstance(self.source, MongoSource):
            return self
        key = "splits" if isinstance(self.source, HubSource) else "paths"
        named = self.source.splits if isinstance(self.source, HubSource) else self.source.paths
        parts: set[str] = {part for part in named.values() if part != "all"}
        if parts and self.split.method != "published":
            raise ValueError(
                f"source.{key} names the splits {', '.join(sorted(parts))}, and split.method is {self.split.method}, "
                f"which draws others; set split.method: published, or write all in source.{key}"
            )
        if self.split.method == "published" and parts and parts != {"train", "validation", "test"}:
            self._check_published(key, named, parts)
        return self

    def _check_published(self, key: str, named: Mapping[str, str], parts: set[str]) -> None:
        if "train" not in parts:
            raise ValueError(f"split.method is published, and source.{key} names no train; write NAME: train there")
        if "test" not in parts:
            name = next((name for name, part in named.items() if part == "validation"), "NAME")
            raise ValueError(
                f"split.method is published, and source.{key} names no test: write {name}: test there (validation rows "
                "are then drawn from train), or set split.method: stratified and write all"
            )

    @model_validator(mode="after")
    def _training_suits_the_model(self) -> "Recipe":
        """Fill in the training defaults of this kind of model, so that every record shows the values that are used."""
        missing = {
            key: value for key, value in DEFAULTS[self.model.kind].items() if key not in self.training.model_fields_set
        }
        # The recipe is frozen for everyone else; nobody has seen it yet.
        self.__dict__["training"] = self.training.model_copy(update=missing)
        return self

    @model_validator(mode="after")
    def _tuning_tries_what_is_allowed(self) -> "Recipe":
        sections: dict[str, Model | Training] = {"model": self.model, "training": self.training}
        for key, value in self.tuning.edges() if self.tuning else ():
            section, _, name = key.partition(".")
            try:
                type(sections[section]).model_validate({**sections[section].model_dump(), name: value})
            except ValidationError as error:
                why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
                raise ValueError(f"tuning.space.{key} would try {value!r}: {why}") from error
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> "Recipe":
        for head in self.model.heads:
            if head not in self.gate.min_f1:
                raise ValueError(f"gate.min_f1 sets no threshold for the head {head!r}; add gate.min_f1.{head}")
        for head in self.gate.min_f1:
            if head not in self.model.heads:
                raise ValueError(f"gate.min_f1.{head} is set, but model.heads is {self.model.heads}")
        if self.primary not in self.model.heads:
            raise ValueError(f"gate.primary is {self.primary!r}, but model.heads is {self.model.heads}")
        self.gate.slices.check_against(self.source.fields.slices, self.heads)
        if self.gate.counterfactual is not None:
            self.gate.counterfactual.check_against(pair=self.source.fields.text_pair is not None)
        if self.model.long_texts == "windows" and self.source.fields.text_pair is not None:
            raise ValueError("model.long_texts is windows, but the rows are pairs, which cannot be; set truncate")
        if self.split.method == "time" and self.source.fields.time is None:
            raise ValueError("split.method is time: name the field in source.fields.time")
        return self
