"""The network: one encoder and one to three heads.

With one head it is the model of transformers for that task, so that saved weights load there, too. With a sentence and
a token head it is JointBERT (Chen et al. 2019, arXiv:1902.10909): the sentence head reads the first token, the token
head every token. A labels head reads the first token, too, and gives each label a logit of its own.
"""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import torch
import transformers
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from assay.corpus.errors import AssayError
from assay.models.crf import LinearChainCrf
from assay.recipes.recipe import ModelSection

# Not the name that transformers reads, which would add heads with random weights.
JOINT_ENCODER = "encoder.safetensors"
JOINT_HEADS = "heads.safetensors"
SEVERAL: Literal["multi_label_classification"] = "multi_label_classification"  # the word of transformers
PooledHead = Literal["sentence", "labels"]


class JointHeads(nn.Module):
    """Sentence and labels heads over the pooled first token, and token head over every token; at least two of them.

    Args:
        hidden: width of the encoder.
        classes: number of classes of the sentence head, 0 without one.
        tags: number of BIO tags, 0 without a token head.
        dropout: dropout before the heads.
        pool: add a pooler (dense and tanh), for encoders without one.
        row_labels: number of labels of the labels head, 0 without one.
    """

    def __init__(
        self, hidden: int, classes: int, tags: int, dropout: float, *, pool: bool, row_labels: int = 0
    ) -> None:
        super().__init__()
        self.pooler = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh()) if pool else None
        self.dropout = nn.Dropout(dropout)
        self.sentence = nn.Linear(hidden, classes) if classes else None
        self.labels = nn.Linear(hidden, row_labels) if row_labels else None
        self.tokens = nn.Linear(hidden, tags) if tags else None
        for linear in (module for module in self.modules() if isinstance(module, nn.Linear)):
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, states: Tensor, pooled: Tensor | None) -> dict[str, Tensor]:
        """Return logits of the heads from the encoder's states (B x L x hidden) and its own pooled output, if any."""
        if self.pooler is not None:
            pooled = self.pooler(states[:, 0])
        logits: dict[str, Tensor] = {}
        if self.sentence is not None:
            logits["sentence"] = self.sentence(self.dropout(pooled))
        if self.labels is not None:
            logits["labels"] = self.labels(self.dropout(pooled))
        if self.tokens is not None:
            logits["tokens"] = self.tokens(self.dropout(states))
        return logits


class Network(nn.Module):
    """An encoder with heads. `model` is a transformers model, without heads if `joint` holds them.

    `crf` scores the tags of the token head during training; the forward pass returns its emissions. `reads_type_ids`
    is True if the encoder distinguishes the two texts of a pair by `token_type_ids`. `pooled` is the head that a model
    of transformers for texts stands for, if there is no other head.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        joint: JointHeads | None,
        crf: LinearChainCrf | None = None,
        pooled: PooledHead = "sentence",
    ) -> None:
        super().__init__()
        self.model = model
        self.joint = joint
        self.crf = crf
        self.pooled = pooled
        self.reads_type_ids = _reads_type_ids(model)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the logits.

        Args:
            input_ids: B x L.
            attention_mask: B x L, 1 for tokens, 0 for padding.
            token_type_ids: B x L, for encoders with `reads_type_ids`.

        Returns:
            `sentence` (B x classes), `labels` (B x labels) and `tokens` (B x L x tags), as far as there are such heads.
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        output = self.model(**inputs)
        if self.joint is not None:
            heads: dict[str, Tensor] = self.joint(output.last_hidden_state, output.get("pooler_output"))
            return heads
        return {self.pooled if output.logits.dim() == 2 else "tokens": output.logits}

    @property
    def config(self) -> PretrainedConfig:
        """Return the configuration of the encoder."""
        config: PretrainedConfig = self.model.config
        return config

    @property
    def encoder(self) -> nn.Module:
        """Return the encoder without its heads."""
        return self.model if self.joint is not None else getattr(self.model, self.model.base_model_prefix)

    def replace_encoder(self, encoder: nn.Module) -> None:
        """Replace the encoder, for example by one with adapters."""
        if self.joint is not None:
            self.model = cast(PreTrainedModel, encoder)
        else:
            setattr(self.model, self.model.base_model_prefix, encoder)

    def name_labels(self, names: Sequence[str]) -> None:
        """Write the names of classes or tags into the configuration of a model with one head, for transformers."""
        if self.joint is None:
            self.model.config.id2label = dict(enumerate(names))
            self.model.config.label2id = {name: number for number, name in enumerate(names)}
            # By which pipelines of transformers choose the sigmoid.
            self.model.config.problem_type = SEVERAL if self.pooled == "labels" else None

    def save(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` for transformers; of a joint model, encoder and heads apart."""
        if self.joint is None:
            with quiet():
                self.model.save_pretrained(folder)
            return
        self.model.config.save_pretrained(folder)
        save_model(self.model, str(folder / JOINT_ENCODER))
        save_file(self.joint.state_dict(), folder / JOINT_HEADS)


def build_network(
    model: ModelSection,
    classes: int,
    tags: int,
    row_labels: int = 0,
    *,
    config: PretrainedConfig | None = None,
    attention: str | None = None,
) -> Network:
    """Build the network of a recipe, with new heads.

    Args:
        model: section `model` of the recipe.
        classes: number of classes of the sentence head, 0 without one.
        tags: number of tags of the token head, 0 without one.
        row_labels: number of labels of the labels head, 0 without one.
        config: configuration of an encoder with random weights; None loads the recipe's encoder.
        attention: `eager` or `sdpa`; None uses the fastest that the encoder supports.

    Raises:
        AssayError: the encoder cannot be loaded.
    """
    loader, labels = _loader(classes, tags, row_labels)
    if config is not None:
        if labels:
            config.num_labels = labels
        body = loader.from_config(config, dtype=torch.float32, attn_implementation=attention)
    else:
        body = _pretrained(loader, model, labels, attention)
    _set_dropout(body, model)
    joint = None if labels else _joint_heads(body, classes, tags, row_labels, model.head_dropout)
    return Network(body, joint, LinearChainCrf(tags) if model.crf else None, _pooled(row_labels))


def load_network(
    folder: Path, classes: int, tags: int, row_labels: int = 0, *, attention: str | None = None
) -> Network:
    """Load the network that `Network.save` wrote, in eval mode and without CRF."""
    loader, labels = _loader(classes, tags, row_labels)
    options: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": attention}
    if labels:
        with quiet():
            body = loader.from_pretrained(folder, local_files_only=True, **options)
        return Network(body, None, pooled=_pooled(row_labels)).eval()
    body = loader.from_config(AutoConfig.from_pretrained(folder, local_files_only=True), **options)
    load_model(body, str(folder / JOINT_ENCODER))
    joint = _joint_heads(body, classes, tags, row_labels, dropout=0.0)
    joint.load_state_dict(load_file(folder / JOINT_HEADS))
    return Network(body, joint, pooled=_pooled(row_labels)).eval()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings of transformers about new heads, and its progress bars over files."""
    control: Any = transformers.utils.logging
    level, bars = control.get_verbosity(), control.is_progress_bar_enabled()
    control.set_verbosity_error()
    control.disable_progress_bar()
    try:
        yield
    finally:
        control.set_verbosity(level)
        if bars:
            control.enable_progress_bar()


@contextmanager
def encoder_errors(model: ModelSection) -> Iterator[None]:
    """Convert errors of transformers about an encoder that cannot be loaded into one line.

    Raises:
        AssayError: the folder or the hub does not provide the encoder.
    """
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        where = f"model.encoder {model.encoder!r}" + (f" at {model.revision}" if model.revision else "")
        raise AssayError(
            f"{where} cannot be loaded ({reason}); name a local folder with config.json, model.safetensors and "
            "tokenizer.json, or check the name, the revision and the connection to the hub"
        ) from error


def _loader(classes: int, tags: int, row_labels: int) -> tuple[Any, int]:
    """Return the class of transformers that loads the model, and its number of labels; 0 for several heads."""
    sizes = [size for size in (classes, row_labels, tags) if size]
    if len(sizes) > 1:
        return AutoModel, 0
    return (AutoModelForTokenClassification if tags else AutoModelForSequenceClassification), sizes[0]


def _pooled(row_labels: int) -> PooledHead:
    return "labels" if row_labels else "sentence"


def _pretrained(loader: Any, model: ModelSection, labels: int, attention: str | None) -> PreTrainedModel:
    names = [f"LABEL_{number}" for number in range(labels)]
    # Otherwise the label names of a published head remain, in its order.
    named = {
        "num_labels": labels,
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
        "problem_type": None,
    }
    # float32 is asked for because transformers otherwise trains in the format of the stored weights, float16 included.
    with encoder_errors(model), quiet():
        network, loaded = loader.from_pretrained(
            model.encoder,
            revision=model.revision or "main",
            dtype=torch.float32,
            trust_remote_code=False,
            attn_implementation=attention,
            ignore_mismatched_sizes=True,  # of a published head; mismatches inside the encoder are refused below
            output_loading_info=True,
            **(named if labels else {}),
        )
    _check_encoder(network, loaded, model)
    if labels and not _heads(network) <= set(loaded["missing_keys"]):
        _renew_heads(network, loader)
    body: PreTrainedModel = network
    return body


def _heads(network: PreTrainedModel) -> set[str]:
    """Return the names of the parameters outside the encoder."""
    encoder = {id(parameter) for parameter in network.base_model.parameters()}
    return {name for name, parameter in network.named_parameters() if id(parameter) not in encoder}


def _check_encoder(network: PreTrainedModel, loaded: dict[str, Any], model: ModelSection) -> None:
    heads = _heads(network) if network.base_model is not network else set()
    for name, stored, expected in loaded["mismatched_keys"]:
        if name not in heads:
            raise AssayError(
                f"model.encoder {model.encoder!r} holds {name} of shape {tuple(stored)}, but its config.json asks for "
                f"{tuple(expected)}; weights and configuration belong to different models"
            )


def _renew_heads(network: PreTrainedModel, loader: Any) -> None:
    """Replace the heads that were published with the encoder, since their labels differ."""
    new = loader.from_config(network.config, dtype=torch.float32)
    for name, module in new.named_children():
        if name != network.base_model_prefix:
            setattr(network, name, module)


def _joint_heads(encoder: PreTrainedModel, classes: int, tags: int, row_labels: int, dropout: float) -> JointHeads:
    pools = getattr(encoder, "pooler", None) is not None
    return JointHeads(encoder.config.hidden_size, classes, tags, dropout, pool=not pools, row_labels=row_labels)


def _reads_type_ids(model: PreTrainedModel) -> bool:
    kinds: int = getattr(model.config, "type_vocab_size", 0) or 0
    return kinds > 1 and "token_type_ids" in inspect.signature(model.forward).parameters


def _set_dropout(body: PreTrainedModel, model: ModelSection) -> None:
    """Set dropout on the modules, since each architecture has other names for it in its configuration."""
    inside = set(body.base_model.modules())
    for module in (module for module in body.modules() if isinstance(module, nn.Dropout)):
        if module not in inside:
            module.p = model.head_dropout
        elif model.dropout is not None:
            module.p = model.dropout
