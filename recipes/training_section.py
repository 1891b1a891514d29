"""The training, tuning and retrigger sections of a recipe."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from assay.corpus.settings import Seed, StrictModel
from assay.recipes.bounds import Number, Whole
from assay.recipes.model_section import Kind, ModelSection

MOST_EPOCHS = 10_000
# The value of a setting of model or training.
Setting = Number | Whole | str | bool | None


# A learning rate that suits random weights ruins published ones, and vice versa.
DEFAULTS: dict[Kind, dict[str, float]] = {
    "scratch": {"learning_rate": 1e-3, "epochs": 10.0},
    "lora": {"learning_rate": 3e-4, "epochs": 3.0},
    "full": {"learning_rate": 5e-5, "epochs": 3.0},
}


def _default_by_kind(schema: dict[str, Any]) -> None:
    """Remove the default from the schema: a form would set it for every kind of model."""
    schema.pop("default", None)


class Training(StrictModel):
    """The training loop (Hugging Face Trainer)."""

    epochs: float = Field(
        3,
        gt=0,
        le=MOST_EPOCHS,
        description="Passes over the training rows; fractions are allowed. Default: 10 from scratch, otherwise 3",
        json_schema_extra=_default_by_kind,
    )
    batch_size: int = Field(32, ge=1, le=65_536, description="Rows per step, over all processes")
    learning_rate: float = Field(
        5e-5,
        gt=0,
        le=1,
        description="Peak learning rate of AdamW, reached after the warm-up. Default: 0.001 from scratch, 0.0003 with "
        "LoRA, 0.00005 for a whole published encoder",
        json_schema_extra=_default_by_kind,
    )
    head_learning_rate: float | None = Field(
        None, gt=0, le=1, description="Peak learning rate of the heads and the CRF. None: learning_rate"
    )
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="Share of the steps with a rising learning rate")
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="Weight decay of AdamW; not applied to biases, layer norms and the CRF"
    )
    epsilon: float = Field(1e-8, gt=0, le=1, description="Epsilon of AdamW")
    max_grad_norm: float = Field(1.0, gt=0, le=1_000_000, description="Norm to which larger gradients are clipped")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Label smoothing of the sentence loss: share of the target spread over all classes"
    )
    tokens_weight: float = Field(
        1.0, gt=0, le=1000, description="Weight of the token loss relative to the loss of the other heads"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="balanced: give rare classes of the sentence head a larger weight, so that all classes with "
        "training rows weigh the same and the mean over these rows is 1, and the rows that have a label of the labels "
        "head as much weight together as those that do not",
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="Epoch that becomes the checkpoint. best: the one with the best validation score. last: the last "
        "one, with the learning rate at 0; more stable with few validation rows",
    )
    early_stopping: int | None = Field(
        None,
        ge=1,
        le=MOST_EPOCHS,
        description="Stop after this many epochs without a better validation score. None: train all epochs",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Number format. auto: bf16 autocast where the processor or GPU supports it in hardware"
    )
    processes: int = Field(
        1,
        ge=1,
        le=1024,
        description="Number of processes that share the rows of each step: one GPU per process, or a share of the "
        "cores on CPU",
    )
    seed: Seed = Field(13, description="Seed of the initial head weights, the dropout and the order of the rows")
    deterministic: bool = Field(False, description="Reproduce results bit by bit on the same machine; slower")

    @model_validator(mode="after")
    def _a_row_for_each_process(self) -> "Training":
        if self.processes > self.batch_size:
            raise ValueError(
                f"processes is {self.processes} and batch_size {self.batch_size}: each process needs a row of every "
                "step; raise batch_size or lower processes"
            )
        return self

    @model_validator(mode="after")
    def _early_stopping_keeps_the_best(self) -> "Training":
        if self.early_stopping is not None and self.keep == "last":
            raise ValueError("early_stopping looks for the best epoch, but keep: last discards it; remove one of them")
        return self


class Range(StrictModel):
    """Values between two bounds; whole numbers if both bounds are whole."""

    low: Number = Field(description="Lower bound")
    high: Number = Field(description="Upper bound")
    log: bool = Field(False, description="Search on a logarithmic scale")

    @property
    def whole(self) -> bool:
        """Return whether only whole numbers are searched."""
        return self.low.is_integer() and self.high.is_integer()

    @property
    def bounds(self) -> tuple[float, float] | tuple[int, int]:
        """Return the lower and upper bound, as whole numbers if only these are searched."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}; swap or change them")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; a logarithmic range starts above 0")
        return self


class Tuning(StrictModel):
    """A search for better settings (Optuna). Only validation rows are used, never test rows."""

    when: Literal["first", "retry"] = Field(
        "first",
        description="When to search. first: before the first training. retry: only after a score below the threshold",
    )
    trials: int = Field(20, ge=1, le=10_000, description="Number of trials")
    space: dict[str, Range | list[Setting]] = Field(
        min_length=1, description="Key such as training.learning_rate -> range, or list of choices"
    )
    epochs: float | None = Field(None, gt=0, le=MOST_EPOCHS, description="Epochs per trial. None: training.epochs")
    pruning: bool = Field(True, description="Stop a trial that falls below the median of the other trials")
    parallel: int = Field(
        1,
        ge=1,
        le=1024,
        description="Trials to run at the same time, in batches. A batch is reproducible, but tries other settings "
        "than a search with one trial at a time",
    )
    seed: Seed = Field(13, description="Seed of the search; each trial trains with training.seed")

    @model_validator(mode="after")
    def _keys_can_be_tuned(self) -> "Tuning":
        for key, choices in self.space.items():
            section, _, name = key.partition(".")
            fields: Mapping[str, object] = {"training": Training.model_fields, "model": ModelSection.model_fields}.get(
                section, {}
            )
            if name not in fields or key in ("training.seed", "training.processes", "model.heads"):
                raise ValueError(f"tuning.space names {key!r}; it takes keys of training and model")
            if not choices:
                raise ValueError(f"tuning.space.{key} has no choices; list some")
        if self.epochs is not None and "training.epochs" in self.space:
            raise ValueError("tuning.epochs fixes what tuning.space.training.epochs would search; use one of them")
        return self

    def edges(self) -> Iterator[tuple[str, Setting]]:
        """Yield each key with each choice, or with both ends of its range: if these are valid, so is the rest."""
        for key, choices in self.space.items():
            for value in choices.bounds if isinstance(choices, Range) else choices:
                yield key, value


class Mitigation(StrictModel):
    """Mitigation of slices below the threshold: give their training rows a larger weight and train again."""

    method: Literal["reweight", "oversample"] = Field(
        "reweight",
        description="reweight: give these rows a larger weight in the loss. oversample: train on these rows more often",
    )
    factor: float = Field(2.0, gt=1, le=1000, description="Factor by which the weight of these rows grows")
    max_drop: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Largest accepted drop of the overall F1 on validation rows; after a larger drop the mitigation is "
        "discarded",
    )


class Retrigger(StrictModel):
    """Further attempts after validation scores that the gate would refuse."""

    max_attempts: int = Field(
        1,
        ge=0,
        le=5,
        description="Attempts of each kind: tuning after a low score, mitigation after slices below the threshold",
    )
    mitigation: Mitigation = Mitigation()
