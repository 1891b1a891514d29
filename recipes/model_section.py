"""The model section of a recipe: encoder, adapter and heads."""

from typing import Literal

from pydantic import Field, model_validator

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Head
from assay.corpus.settings import StrictModel

Kind = Literal["scratch", "lora", "full"]


class Lora(StrictModel):
    """Low-rank adapters (Hu et al. 2021), trained with peft and merged before export."""

    r: int = Field(16, ge=1, le=1024, description="Rank of the adapters")
    alpha: int = Field(32, ge=1, le=65_536, description="Scale of the adapters: alpha / r")
    dropout: float = Field(0.05, ge=0, lt=1, description="Dropout on the inputs of the adapters")
    targets: list[str] | None = Field(
        None, description="Names of the linear layers to adapt. None: all linear layers of the encoder"
    )


class Scratch(StrictModel):
    """A small BERT trained from scratch, with a tokenizer trained on the training texts."""

    layers: int = Field(2, ge=1, le=100, description="Number of transformer layers")
    hidden: int = Field(128, ge=8, le=16_384, description="Width of a layer; a multiple of attention_heads")
    attention_heads: int = Field(4, ge=1, le=1024, description="Attention heads per layer")
    vocabulary: int = Field(4000, ge=100, le=1_000_000, description="Maximum number of sub-words of the tokenizer")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "Scratch":
        if self.hidden % self.attention_heads:
            raise ValueError(
                f"model.scratch.hidden is {self.hidden}, which is not a multiple of model.scratch.attention_heads "
                f"{self.attention_heads}; choose a multiple"
            )
        return self


class ModelSection(StrictModel):
    """The network: an encoder, an optional adapter, and one to three heads."""

    encoder: str | None = Field(
        None, description="owner/name on the hub, or a local folder. None: `scratch` describes the encoder"
    )
    revision: str | None = Field(None, description="Commit of the hub model; required for a hub name")
    scratch: Scratch | None = Field(
        None, description="Train a small encoder from scratch. None: use the published `encoder`"
    )
    heads: list[Head] = Field(
        min_length=1,
        max_length=3,
        description="Heads of the network: sentence (one class per text), labels (any number of labels per text) and "
        "tokens (entities), alone or together; sentence and tokens are JointBERT",
    )
    lora: Lora | None = Field(None, description="Train low-rank adapters. None: train the whole encoder")
    crf: bool = Field(False, description="Add a conditional random field to the token head")
    max_length: int = Field(
        256, ge=8, le=512, description="Maximum length of an input, in tokens; long_texts handles longer texts"
    )
    long_texts: Literal["truncate", "windows"] = Field(
        "truncate",
        description="How evaluation and serving handle texts longer than max_length. truncate: ignore the rest. "
        "windows: read the text in overlapping windows and average the probabilities of the sentence head",
    )
    cleaning: Cleaning = Field(
        default_factory=Cleaning, description="Cleaning applied to every text, in training and serving"
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="Dropout inside the encoder. None: the published value")
    head_dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the heads")

    @property
    def kind(self) -> Kind:
        """Return which weights are trained: a random encoder, adapters, or a whole published encoder."""
        return "scratch" if self.scratch is not None else "lora" if self.lora is not None else "full"

    @model_validator(mode="after")
    def _one_encoder(self) -> "ModelSection":
        if (self.encoder is None) == (self.scratch is None):
            raise ValueError(
                "model needs exactly one of model.encoder and model.scratch; set one, and remove the other"
            )
        if self.lora is not None and self.scratch is not None:
            raise ValueError("model.lora freezes the encoder, but model.scratch starts from random weights; use one")
        if self.crf and "tokens" not in self.heads:
            raise ValueError("model.crf needs the token head; add tokens to model.heads or remove crf")
        if len(set(self.heads)) != len(self.heads):
            raise ValueError(f"model.heads {self.heads} names a head twice; name each once")
        return self
