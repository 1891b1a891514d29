"""The schema of a recipe: everything that a run depends on, closed and frozen."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from assay.corpus.example import HEADS, Head
from assay.corpus.settings import StrictModel
from assay.corpus.splitting.split_settings import Split
from assay.corpus.storage.digest import digest_json
from assay.recipes.bounds import MOST_ROWS
from assay.recipes.decision_section import CostTable, DecisionRule, check_decisions
from assay.recipes.gate_rules import PrecisionAt, check_rule_heads, unknown_names
from assay.recipes.gate_section import ChampionRule, CounterfactualRule, Gate, SliceRule
from assay.recipes.model_section import Lora, ModelSection, Scratch
from assay.recipes.monitoring_section import DriftLimits, Monitoring
from assay.recipes.recipe_faults import fault_lines, shown
from assay.recipes.source_section import HubSource, MongoSource, Source
from assay.recipes.training_section import DEFAULTS, Mitigation, Range, Retrigger, Training, Tuning

__all__ = [
    "ChampionRule",
    "CostTable",
    "CounterfactualRule",
    "DecisionRule",
    "DriftLimits",
    "Gate",
    "Head",
    "Lora",
    "Mitigation",
    "ModelSection",
    "Monitoring",
    "PrecisionAt",
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


# Defaults of `Validation`, by which `assay init` and the data checks judge a sample, too.
ENOUGH_ROWS = 20
TEXT_LIMIT = 20_000  # characters


class Validation(StrictModel):
    """Limits of the data checks. A critical check that fails stops the run."""

    min_rows: int = Field(ENOUGH_ROWS, ge=1, le=MOST_ROWS, description="Minimum number of rows")
    min_class_rows: int = Field(
        5,
        ge=1,
        le=MOST_ROWS,
        description="Minimum number of rows per class or label; nothing is tested of one without test rows",
    )
    unseen_labels: Literal["refuse", "count_as_missed"] = Field(
        "refuse",
        description="Labels of validation or test rows that no training row has: refuse the data, or count them as "
        "missed by the model",
    )
    max_text_length: int = Field(TEXT_LIMIT, ge=1, le=MOST_ROWS, description="Maximum length of a text, in characters")
    max_duplicate_share: float = Field(
        0.2, ge=0, le=1, description="Share of rows that repeat the text of another row; a larger share is a warning"
    )
    max_class_share: float = Field(
        0.95, gt=0, le=1, description="Share of the largest class; a larger share is a warning"
    )
    labels: list[str] | None = Field(None, description="Allowed classes. None: all classes of the source")
    row_labels: list[str] | None = Field(
        None, description="Allowed labels of the labels head. None: all labels of the source"
    )
    entity_labels: list[str] | None = Field(
        None, description="Allowed entity types. None: all entity types of the source"
    )


class RegistrySection(StrictModel):
    """The MLflow server and the registered model that a run writes to."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=200, description="Name of the registered model"
    )
    tracking_uri: str | None = Field(
        None, description="Address of MLflow. None: MLFLOW_TRACKING_URI, or sqlite in the store if that is not set"
    )
    experiment: str | None = Field(
        None,
        pattern=r"^[^\x00-\x1f]+$",
        max_length=500,
        description="MLflow experiment. None: the name of the registered model",
    )

    @model_validator(mode="after")
    def _no_password_in_recipe(self) -> "RegistrySection":
        if "@" in (self.tracking_uri or ""):
            raise ValueError(
                "registry.tracking_uri holds credentials, which would be stored with every run and bundle; "
                "remove it and set MLFLOW_TRACKING_URI, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return self


class Recipe(StrictModel):
    """Everything that a run depends on."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=100,
        description="Name of the recipe: lower-case letters, digits and hyphens",
    )
    description: str = Field("", description="One line for the model card")
    source: Source
    validation: Validation = Validation()
    split: Split = Split()
    model: ModelSection
    # A default in the schema would make forms fill in settings that depend on the model.
    training: Training = Field(default_factory=Training)
    tuning: Tuning | None = Field(None, description="Search for better settings. None: no search")
    decision: dict[Head, DecisionRule] = Field(
        default_factory=dict,
        description="How sure a prediction of each head must be. Empty: every prediction is decided",
    )
    gate: Gate
    retrigger: Retrigger = Retrigger()
    monitoring: Monitoring = Monitoring()
    label_review_rows: int = Field(
        5000,
        ge=0,
        le=MOST_ROWS,
        description="Held-out rows to examine for wrong labels after a training, shown as an artifact in Prefect; of "
        "more rows, as many are drawn. 0: none",
    )
    registry: RegistrySection
    run_mode: Literal["enabled", "dry_run"] = Field(
        "enabled", description="dry_run: compute everything, but register and promote nothing"
    )

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the recipe's canonical JSON, including defaults."""
        return digest_json(self.model_dump(mode="json"))

    @property
    def heads(self) -> list[Head]:
        """Return the heads in a fixed order, the sentence head first."""
        return [head for head in HEADS if head in self.model.heads]

    @property
    def primary(self) -> Head:
        """Return the head that decides whether a challenger improves on the champion."""
        return self.gate.primary or self.heads[0]

    @model_validator(mode="after")
    def _can_be_stored(self) -> "Recipe":
        """Refuse values that JSON cannot hold: every run and bundle stores the recipe as JSON."""
        try:
            self.model_dump_json()
            _ = self.digest
        except ValueError as error:
            raise ValueError(
                f"a value cannot be stored as JSON ({error}); use complete characters and finite numbers"
            ) from error
        return self

    @model_validator(mode="after")
    def _splits_of_the_source_are_used(self) -> "Recipe":
        """Refuse a recipe that would silently ignore the splits that its source names."""
        if self.source.fields.split is not None or isinstance(self.source, MongoSource):
            return self
        key = "splits" if isinstance(self.source, HubSource) else "paths"
        split_of_name = self.source.splits if isinstance(self.source, HubSource) else self.source.paths
        splits: set[str] = {split for split in split_of_name.values() if split != "all"}
        if splits and self.split.method != "published":
            raise ValueError(
                f"source.{key} names the splits {', '.join(sorted(splits))}, but split.method is {self.split.method}, "
                f"which draws its own; set split.method: published, or write all in source.{key}"
            )
        if self.split.method == "published" and splits and splits != {"train", "validation", "test"}:
            self._check_published(key, split_of_name, splits)
        return self

    def _check_published(self, key: str, split_of_name: Mapping[str, str], splits: set[str]) -> None:
        if "train" not in splits:
            raise ValueError(
                f"split.method is published, but source.{key} names no train split; write NAME: train there"
            )
        if "test" not in splits:
            name = next((name for name, split in split_of_name.items() if split == "validation"), "NAME")
            raise ValueError(
                f"split.method is published, but source.{key} names no test split; write {name}: test there "
                "(validation rows are then drawn from train), or set split.method: stratified and write all"
            )

    @model_validator(mode="after")
    def _training_suits_the_model(self) -> "Recipe":
        """Fill in the training defaults of this kind of model, so that every record shows the effective values."""
        missing = {
            key: value for key, value in DEFAULTS[self.model.kind].items() if key not in self.training.model_fields_set
        }
        # The recipe is frozen, but still under construction here.
        self.__dict__["training"] = self.training.model_copy(update=missing)
        return self

    @model_validator(mode="after")
    def _tuning_tries_what_is_allowed(self) -> "Recipe":
        sections: dict[str, ModelSection | Training] = {"model": self.model, "training": self.training}
        for key, value in self.tuning.edges() if self.tuning else ():
            section, _, name = key.partition(".")
            try:
                values = {**sections[section].model_dump(), name: value}
                type(sections[section]).model_validate(values)
            except ValidationError as error:
                why = fault_lines(error, type(sections[section]), values, section)[0]
                raise ValueError(f"tuning.space.{key} would try {shown(value)}: {why}") from error
        return self

    @property
    def _allowed_names(self) -> dict[Head, tuple[str, list[str] | None]]:
        """Return the key that lists the allowed classes, labels and entity types, and its list."""
        return {
            "sentence": ("validation.labels", self.validation.labels),
            "labels": ("validation.row_labels", self.validation.row_labels),
            "tokens": ("validation.entity_labels", self.validation.entity_labels),
        }

    def _check_recall_names(self) -> None:
        """Refuse classes and entity types that the recipe itself does not allow; the data checks compare the rows."""
        for head, rule in self.gate.min_recall.items():
            where, names = self._allowed_names[head]
            key = f"gate.min_recall.{head}"
            for line in unknown_names(key, rule, head, names, where) if names is not None else ():
                raise ValueError(line)

    @model_validator(mode="after")
    def _parts_agree(self) -> "Recipe":
        for head in self.model.heads:
            if head not in self.gate.min_f1:
                raise ValueError(f"gate.min_f1 sets no threshold for the head {head!r}; add gate.min_f1.{head}")
        for key in ("max_ece", "min_f1", "min_precision_at", "min_recall"):
            check_rule_heads(f"gate.{key}", getattr(self.gate, key), self.model.heads)
        self._check_recall_names()
        for head in self.gate.max_abstain:
            if head not in self.decision:
                raise ValueError(
                    f"gate.max_abstain.{head} is set, but decision.{head} is not; set it, or remove the key"
                )
        check_decisions(self.decision, self.heads, self._allowed_names)
        if self.primary not in self.model.heads:
            raise ValueError(f"gate.primary is {self.primary!r}, but model.heads is {self.model.heads}; name a head")
        self.gate.slices.check_against(self.source.fields.slices, self.heads)
        if self.gate.counterfactual is not None:
            self.gate.counterfactual.check_against(pair=self.source.fields.text_pair is not None)
        if self.model.long_texts == "windows" and self.source.fields.text_pair is not None:
            raise ValueError("model.long_texts is windows, but the rows are pairs of texts; set it to truncate")
        if self.split.method == "time" and self.source.fields.time is None:
            raise ValueError("split.method is time, but source.fields.time names no field; set it")
        return self
