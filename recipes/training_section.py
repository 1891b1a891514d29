"""How the network of a recipe is trained, tuned, and trained again."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from assay.corpus.settings import Closed, Seed
from assay.recipes.bounds import Number, Whole
from assay.recipes.model_section import Kind, Model

MOST_EPOCHS = 10_000
# What a setting of model or training can be.
Setting = Number | Whole | str | bool | None


# What suits random weights ruins published ones, and the other way round.
DEFAULTS: dict[Kind, dict[str, float]] = {
    "scratch": {"learning_rate": 1e-3, "epochs": 10.0},
    "lora": {"learning_rate": 3e-4, "epochs": 3.0},
    "full": {"learning_rate": 5e-5, "epochs": 3.0},
}


def _default_by_kind(schema: dict[str, Any]) -> None:
    """Leave the default to the recipe: a form that fills one in would set it for every kind of model."""
    schema.pop("default", None)


class Training(Closed):
    """The training loop (Hugging Face Trainer)."""

    epochs: float = Field(
        3,
        gt=0,
        le=MOST_EPOCHS,
        description="How often the training rows are seen; parts of one, too. Default: 10 from scratch, else 3",
        json_schema_extra=_default_by_kind,
    )
    batch_size: int = Field(32, ge=1, le=65_536, description="Rows a step, over all processes")
    learning_rate: float = Field(
        5e-5,
        gt=0,
        le=1,
        description="Highest rate of AdamW, reached after the warm-up. Default: 0.001 from scratch, 0.0003 with LoRA, "
        "0.00005 for a whole published encoder",
        json_schema_extra=_default_by_kind,
    )
    head_learning_rate: float | None = Field(None, gt=0, le=1, description="Of heads and CRF; none: learning_rate")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="Share of the steps with rising learning rate")
    weight_decay: float = Field(0.01, ge=0, le=1, description="Of AdamW; biases, layer norms and the CRF have none")
    epsilon: float = Field(1e-8, gt=0, le=1, description="Of AdamW")
    max_grad_norm: float = Field(1.0, gt=0, le=1_000_000, description="A longer gradient is cut to this length")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Of the sentence loss: share of the target spread over all classes"
    )
    tokens_weight: float = Field(1.0, gt=0, le=1000, description="Weight of the token loss beside the sentence loss")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: rare classes of the sentence weigh more"
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="Epoch that becomes the checkpoint. best: by validation score. last: where the learning rate "
        "has fallen to 0; steadier with few validation rows",
    )
    early_stopping: int | None = Field(
        None, ge=1, le=MOST_EPOCHS, description="Stop after so many epochs without a better figure"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 autocast where the processor or GPU computes it in hardware"
    )
    processes: int = Field(
        1,
        ge=1,
        le=1024,
        description="That share the rows of each step, one GPU each, or on CPU a part of the cores each",
    )
    seed: Seed = Field(13, description="Of the first weights of heads, dropout and the order of rows")
    deterministic: bool = Field(False, description="Same result to the last bit on one machine; slower")

    @model_validator(mode="after")
    def _a_row_for_each_process(self) -> "Training":
        if self.processes > self.batch_size:
            raise ValueError(
                f"processes is {self.processes} and batch_size {self.batch_size}: each needs a row of every step; "
                "raise batch_size or lower processes"
            )
        return self

    @model_validator(mode="after")
    def _early_stopping_keeps_the_best(self) -> "Training":
        if self.early_stopping is not None and self.keep == "last":
            raise ValueError("early_stopping waits for a best epoch, and keep: last would not keep it; drop one")
        return self


class Range(Closed):
    """Values between two bounds; whole numbers where both bounds are whole."""

    low: Number = Field(description="Least value")
    high: Number = Field(description="Largest value")
    log: bool = Field(False, description="Search the logarithm")

    @property
    def whole(self) -> bool:
        """Whether it is searched in whole numbers."""
        return self.low.is_integer() and self.high.is_integer()

    @property
    def bounds(self) -> tuple[float, float] | tuple[int, int]:
        """Low and high, as the numbers that are tried."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; a logarithmic range begins above 0")
        return self


class Tuning(Closed):
    """A search for better settings (Optuna). Validation rows decide; test rows are never looked at."""

    when: Literal["first", "retry"] = Field(
        "first", description="first: before the first training. retry: only after a score that is too low"
    )
    trials: int = Field(20, ge=1, le=10_000, description="How many settings are tried")
    space: dict[str, Range | list[Setting]] = Field(
        min_length=1, description="Key such as training.learning_rate -> range, or list of choices"
    )
    epochs: float | None = Field(None, gt=0, le=MOST_EPOCHS, description="Epochs of a trial; none: training.epochs")
    pruning: bool = Field(True, description="Give up a trial that falls behind the median of the others")
    parallel: int = Field(
        1, ge=1, le=1024, description="Trials at a time, in batches: seeded, too, but not what one by one would try"
    )
    seed: Seed = Field(13, description="Of the search; each trial trains with training.seed")

    @model_validator(mode="after")
    def _keys_can_be_tuned(self) -> "Tuning":
        for key, choices in self.space.items():
            section, _, name = key.partition(".")
            fields: Mapping[str, object] = {"training": Training.model_fields, "model": Model.model_fields}.get(
                section, {}
            )
            if name not in fields or key in ("training.seed", "training.processes", "model.heads"):
                raise ValueError(f"tuning.space names {key!r}; it takes keys of training and model")
            if not choices:
                raise ValueError(f"tuning.space.{key} has no choices")
        if self.epochs is not None and "training.epochs" in self.space:
            raise ValueError("tuning.epochs fixes what tuning.space.training.epochs would search; use one of them")
        return self

    def edges(self) -> Iterator[tuple[str, Setting]]:
        """Each key with each choice, or with both ends of its range: what has to be valid for the rest to be."""
        for key, choices in self.space.items():
            for value in choices.bounds if isinstance(choices, Range) else choices:
                yield key, value


class Mitigation(Closed):
    """What is done when slices fall short: their training rows count more, and the model is trained again."""

    method: Literal["reweight", "oversample"] = Field(
        "reweight", description="reweight: their loss counts more. oversample: they are seen more often"
    )
    factor: float = Field(2.0, gt=1, le=1000, description="How much more")
    max_drop: float = Field(
        0.01, ge=0, lt=1, description="Largest fall of the whole F1 on validation rows; above it the model is not taken"
    )


class Retrigger(Closed):
    """What happens after a figure on validation rows that the gate would refuse."""

    max_attempts: int = Field(
        1, ge=0, le=5, description="Tries of each kind: tuning after a low score, mitigation after biased slices"
    )
    mitigation: Mitigation = Mitigation()
