"""The recipe: everything a run depends on, in one closed, frozen schema."""

from typing import Literal

from pydantic import Field, model_validator

from corpus.cleaning import Cleaning
from corpus.digest import digest_json
from corpus.fields import Closed
from recipes.source import Source

Head = Literal["sentence", "tokens"]


class Validation(Closed):
    """Limits of the data checks. A critical check that fails stops the run."""

    min_rows: int = Field(20, ge=1, description="Fewest rows")
    min_class_rows: int = Field(5, ge=2, description="Fewest rows of a class: one on each side and some to learn from")
    max_text_length: int = Field(20_000, ge=1, description="Longest text, in characters")
    max_duplicate_share: float = Field(
        0.2, ge=0, le=1, description="Share of rows that repeat another row's text; above it a warning"
    )
    max_class_share: float = Field(0.95, gt=0, le=1, description="Share of the largest class; above it a warning")
    labels: list[str] | None = Field(None, description="Allowed classes; none: whatever the source holds")
    entity_labels: list[str] | None = Field(None, description="Allowed entity types; none: whatever there is")


class Split(Closed):
    """How rows are put on sides."""

    method: Literal["stratified", "published", "time"] = Field(
        "stratified",
        description="stratified: over label and entity types together. published: as the source says, a missing "
        "validation is carved from train. time: oldest rows train, newest test",
    )
    train: float = Field(0.8, gt=0, lt=1, description="Share of rows to train on")
    validation: float = Field(0.1, gt=0, lt=1, description="Share of rows for decisions during training")
    test: float = Field(0.1, gt=0, lt=1, description="Share of rows for the verdict")
    duplicates: Literal["text", "text_pair", "both"] = Field(
        "text", description="For pairs: which side makes two rows duplicates of each other; both: the pair as a whole"
    )
    remember: bool = Field(
        True,
        description="Rows keep the side they had in earlier runs of the recipe (published splits excepted)",
    )
    seed: int = Field(13, description="Seed of the assignment")

    @model_validator(mode="after")
    def _shares_add_up(self) -> "Split":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"split.train + split.validation + split.test is {total:g}; it must be 1")
        return self


class Lora(Closed):
    """Low-rank adapters (Hu et al. 2021), through peft; merged before export."""

    r: int = Field(16, ge=1, description="Rank")
    alpha: int = Field(32, ge=1, description="Scale: alpha / r")
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: list[str] | None = Field(
        None, description="Names of linear layers to adapt; none: all linear layers of the encoder"
    )


class Scratch(Closed):
    """A small BERT trained from nothing, with a tokenizer trained on the training texts."""

    layers: int = Field(2, ge=1)
    hidden: int = Field(128, ge=8)
    attention_heads: int = Field(4, ge=1)
    vocabulary: int = Field(4000, ge=100)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "Scratch":
        if self.hidden % self.attention_heads:
            raise ValueError(
                f"model.scratch.hidden is {self.hidden}, which model.scratch.attention_heads {self.attention_heads} "
                "does not divide; choose a multiple"
            )
        return self


class Model(Closed):
    """The network: an encoder, an adapter, one or two heads."""

    encoder: str | None = Field(None, description="owner/name on the hub, or a local folder; none with `scratch`")
    revision: str | None = Field(None, description="Commit of the hub model; needed for a hub name")
    scratch: Scratch | None = Field(None, description="Train a small encoder from nothing instead")
    heads: list[Head] = Field(min_length=1, max_length=2, description="sentence, tokens, or both (JointBERT)")
    lora: Lora | None = Field(None, description="Train low-rank adapters instead of the whole encoder")
    crf: bool = Field(False, description="Conditional random field on the token head")
    max_length: int = Field(256, ge=8, le=512, description="Longest input in tokens; what is longer is truncated")
    cleaning: Cleaning = Field(default_factory=Cleaning, description="Done to every text, in training and serving")
    head_dropout: float = Field(0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _one_encoder(self) -> "Model":
        if (self.encoder is None) == (self.scratch is None):
            raise ValueError("model needs exactly one of model.encoder and model.scratch")
        if self.lora is not None and self.scratch is not None:
            raise ValueError("model.lora freezes the encoder, and model.scratch begins with random weights; use one")
        if self.crf and "tokens" not in self.heads:
            raise ValueError("model.crf is for the token head; add tokens to model.heads or leave crf out")
        if len(set(self.heads)) != len(self.heads):
            raise ValueError(f"model.heads {self.heads} names a head twice")
        return self


class Training(Closed):
    """The training loop (Hugging Face Trainer)."""

    epochs: float = Field(3, gt=0)
    batch_size: int = Field(32, ge=1, description="Rows a step")
    learning_rate: float = Field(5e-5, gt=0)
    head_learning_rate: float | None = Field(None, gt=0, description="Of heads and CRF; none: learning_rate")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="Share of the steps with rising learning rate")
    weight_decay: float = Field(0.01, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    tokens_weight: float = Field(1.0, gt=0, description="Weight of the token loss beside the sentence loss")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: rare classes of the sentence weigh more"
    )
    early_stopping: int | None = Field(None, ge=1, description="Stop after so many epochs without a better figure")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 autocast where the processor or GPU computes it in hardware"
    )
    seed: int = 13
    deterministic: bool = Field(False, description="Same result to the last bit on one machine; slower")


class ChampionRule(Closed):
    """How a challenger must compare with the champion, on the same test rows."""

    margin: float = Field(
        0.01, ge=0, lt=1, description="Non-inferior: the lower bound of the F1 difference is above -margin"
    )
    improve: bool = Field(False, description="The lower bound of the primary head's difference must be above 0")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided confidence of the bound")
    allow_not_comparable: bool = Field(
        False, description="Pass when the champion has other labels, or may have trained on the test rows"
    )


class SliceRule(Closed):
    """When a slice is unfairly served."""

    columns: list[str] = Field(default_factory=list, description="Slice columns that are judged")
    min_share: float = Field(0.1, ge=0, le=1, description="Smaller slices are reported, not judged")
    min_ratio: float = Field(0.9, gt=0, le=1, description="Share of the whole F1 that a slice must keep")
    alpha: float = Field(0.05, gt=0, lt=1, description="Level of the Holm-corrected test that the shortfall is chance")


class Gate(Closed):
    """What a model must show before it is promoted. A gate without thresholds is refused."""

    min_f1: dict[Head, float] = Field(
        description="Least F1 of each head: macro-F1 for sentences, strict entity F1 for tokens"
    )
    primary: Head | None = Field(None, description="Head that decides `improve`; none: the first head")
    champion: ChampionRule = ChampionRule()
    slices: SliceRule = SliceRule()
    parity_tolerance: float = Field(1e-3, gt=0, description="Largest difference of logits, torch against ONNX fp32")
    int8: Literal["auto", "off"] = Field("auto", description="auto: ship int8 where F1 falls by at most int8_max_drop")
    int8_max_drop: float = Field(0.005, ge=0, lt=1)
    max_p95_ms: float | None = Field(None, gt=0, description="95th percentile of one row's latency on this machine")
    max_size_mb: float | None = Field(None, gt=0, description="Size of the ONNX file")


class Registry(Closed):
    """Where the model goes."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Registered model")
    tracking_uri: str | None = Field(None, description="MLflow; none: MLFLOW_TRACKING_URI, else sqlite below the store")
    experiment: str | None = Field(None, description="MLflow experiment; none: the model's name")

    @model_validator(mode="after")
    def _no_password_in_recipe(self) -> "Registry":
        if "@" in (self.tracking_uri or ""):
            raise ValueError(
                "registry.tracking_uri holds credentials, which would be stored with every run and bundle; "
                "leave it out and set MLFLOW_TRACKING_URI, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return self


class Recipe(Closed):
    """Everything that a run depends on."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Name of the recipe: lower case, digits, hyphens")
    description: str = Field("", description="One line for the model card")
    source: Source
    validation: Validation = Validation()
    split: Split = Split()
    model: Model
    training: Training = Training()
    gate: Gate
    registry: Registry
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
    def _parts_agree(self) -> "Recipe":
        for head in self.model.heads:
            if head not in self.gate.min_f1:
                raise ValueError(f"gate.min_f1 sets no threshold for the head {head!r}; add gate.min_f1.{head}")
        for head in self.gate.min_f1:
            if head not in self.model.heads:
                raise ValueError(f"gate.min_f1.{head} is set, but model.heads is {self.model.heads}")
        if self.primary not in self.model.heads:
            raise ValueError(f"gate.primary is {self.primary!r}, but model.heads is {self.model.heads}")
        known = set(self.source.fields.slices)
        unknown = [name for name in self.gate.slices.columns if name not in known]
        if unknown:
            raise ValueError(f"gate.slices.columns names {unknown[0]!r}, which source.fields.slices does not define")
        if self.split.method == "time" and self.source.fields.time is None:
            raise ValueError("split.method is time: name the field in source.fields.time")
        return self
