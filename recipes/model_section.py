"""The network of a recipe: encoder, adapter, heads."""

from typing import Literal

from pydantic import Field, model_validator

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Head
from assay.corpus.settings import Closed

Kind = Literal["scratch", "lora", "full"]


class Lora(Closed):
    """Low-rank adapters (Hu et al. 2021), through peft; merged before export."""

    r: int = Field(16, ge=1, le=1024, description="Rank")
    alpha: int = Field(32, ge=1, le=65_536, description="Scale: alpha / r")
    dropout: float = Field(0.05, ge=0, lt=1, description="Of what goes into the adapters, in training")
    targets: list[str] | None = Field(
        None, description="Names of linear layers to adapt; none: all linear layers of the encoder"
    )


class Scratch(Closed):
    """A small BERT trained from nothing, with a tokenizer trained on the training texts."""

    layers: int = Field(2, ge=1, le=100, description="Transformer layers")
    hidden: int = Field(128, ge=8, le=16_384, description="Width of a layer; a multiple of attention_heads")
    attention_heads: int = Field(4, ge=1, le=1024, description="Attention heads of a layer")
    vocabulary: int = Field(4000, ge=100, le=1_000_000, description="Most sub-words of the tokenizer")

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
    max_length: int = Field(256, ge=8, le=512, description="Longest input in tokens; see long_texts for what is longer")
    long_texts: Literal["truncate", "windows"] = Field(
        "truncate",
        description="Beyond max_length, in evaluation and serving. truncate: the rest is not read. windows: the text "
        "is read in overlapping windows, of which the sentence's probabilities are the mean",
    )
    cleaning: Cleaning = Field(default_factory=Cleaning, description="Done to every text, in training and serving")
    dropout: float | None = Field(None, ge=0, lt=1, description="Inside the encoder; none: as it was published")
    head_dropout: float = Field(0.1, ge=0, lt=1, description="Before the heads")

    @property
    def kind(self) -> Kind:
        """Return which weights are trained: random ones, adapters, or a whole published encoder."""
        return "scratch" if self.scratch is not None else "lora" if self.lora is not None else "full"

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
