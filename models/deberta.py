"""DeBERTa-v2 and -v3 optimised for inference: disentangled attention with equal results.

He et al. 2021 (arXiv:2006.03654) score a pair of tokens by their contents and by the distance between them. The
module of transformers projects the embeddings of all distances in every layer of every call, copies them for every
row, and gathers the scores with an index of the size of the result. In this module

- the projections are constants, laid out by distance (the logarithmic buckets are applied to the constants) and cut
  to the distances in a text of the given length;
- gathering is a change of shape, see `assay.models.deberta_attention`;
- the scale is part of the weights.

The arithmetic is the same in another order, so results differ by rounding only.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers.activations import GELUActivation
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.deberta_v2.modeling_deberta_v2 import (
    DebertaV2ForSequenceClassification,
    DebertaV2Layer,
    DebertaV2Model,
    DisentangledSelfAttention,
)

from assay.models.deberta_attention import DisentangledAttention, first_tokens, half_up, scaled
from assay.models.network import Network

_log = logging.getLogger(__name__)


@contextmanager
def optimised_for_export(network: Network, max_length: int) -> Iterator[None]:
    """Replace the encoder by an `InferenceEncoder` inside the block, if it is a supported DeBERTa.

    Args:
        network: network in eval mode, with merged adapters. Its weights are read, not changed.
        max_length: maximum input length in tokens.
    """
    original = network.encoder
    if not isinstance(original, DebertaV2Model):
        yield
        return
    if reason := unsupported(original):
        _log.warning("this DeBERTa is exported without optimisation, which is slower: %s", reason)
        yield
        return
    # The sentence head of transformers pools the first token alone.
    first_only = isinstance(network.model, DebertaV2ForSequenceClassification)
    network.replace_encoder(InferenceEncoder(original, max_length, first_only=first_only))
    try:
        yield
    finally:
        network.replace_encoder(original)


def unsupported(model: DebertaV2Model) -> str | None:
    """Return why a DeBERTa cannot be optimised; None if it can."""
    encoder: Any = model.encoder
    if model.z_steps > 1:
        return "it repeats its last layer (z_steps)"
    if model.embeddings.position_embeddings is not None and model.config.max_position_embeddings % 2:
        return "its absolute positions are an odd number (max_position_embeddings)"
    if not all(type(layer.attention.self) is DisentangledSelfAttention for layer in encoder.layer):
        return "its attention is not that of transformers"
    return None


class InferenceEncoder(nn.Module):
    """Replacement of a `DebertaV2Model` for inference.

    Args:
        model: supported model in eval mode.
        max_length: maximum input length in tokens.
        first_only: return the state of the first token only; the last layer does not compute the others.
    """

    def __init__(self, model: DebertaV2Model, max_length: int, *, first_only: bool = False) -> None:
        super().__init__()
        self.config = model.config
        self.embeddings = model.embeddings
        encoder: Any = model.encoder
        distances: Tensor | None = encoder.get_rel_embedding()
        last = len(encoder.layer) - 1
        self.convolution: nn.Module | None = encoder.conv
        self.layers = nn.ModuleList(
            _Layer(layer, distances, max_length, first_only=first_only and number == last > 0)
            for number, layer in enumerate(encoder.layer)
        )

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None, **_: Any
    ) -> BaseModelOutput:
        """Return the states of the last layer, B x L x hidden or B x 1 x hidden; states of padding are meaningless.

        Args:
            input_ids: B x L.
            attention_mask: B x L, 1 for tokens, 0 for padding.
            token_type_ids: B x L, for models with token types.
        """
        requested = input_ids.shape[1]
        padding_width = (0, 2 * half_up(requested) - requested)
        input_ids, attention_mask = pad(input_ids, padding_width), pad(attention_mask, padding_width)
        if token_type_ids is not None:
            token_type_ids = pad(token_type_ids, padding_width)
        # Only a convolution mixes padding into neighbouring tokens.
        mask = None if self.convolution is None else attention_mask
        embedded = self.embeddings(input_ids=input_ids, token_type_ids=token_type_ids, mask=mask)
        batch, length, width = embedded.shape
        # One row per token: a linear layer is then one product with its bias.
        states = embedded.reshape(-1, width)
        padding = (1 - attention_mask).to(states.dtype) * torch.finfo(states.dtype).min
        padding = padding[:, None, None, :]
        for number, layer in enumerate(self.layers):
            states = layer(states, padding)
            if number == 0 and self.convolution is not None:
                states = self.convolution(embedded, states.view(batch, length, width), attention_mask).flatten(0, 1)
        return BaseModelOutput(last_hidden_state=states.view(batch, -1, width)[:, :requested])


class _Layer(nn.Module):
    """A layer of attention and two dense layers."""

    def __init__(
        self, original: DebertaV2Layer, distances: Tensor | None, max_length: int, *, first_only: bool = False
    ) -> None:
        super().__init__()
        self.attention = DisentangledAttention(original.attention.self, distances, max_length, first_only=first_only)
        self.mix, self.norm = original.attention.output.dense, original.attention.output.LayerNorm
        self.activation = original.intermediate.intermediate_act_fn
        self.widen, self.narrow = original.intermediate.dense, original.output.dense
        self.last_norm = original.output.LayerNorm
        if isinstance(self.activation, GELUActivation):
            # gelu(x) is x/2 (1 + erf(x/√2)): with √½ in the weights before and after it, y (1 + erf(y)).
            self.activation = _ErfGate()
            self.widen = scaled(self.widen, math.sqrt(0.5), math.sqrt(0.5))
            self.narrow = scaled(self.narrow, math.sqrt(0.5))

    def forward(self, states: Tensor, padding: Tensor) -> Tensor:
        mixed = self.mix(self.attention(states, padding))
        if self.attention.first_only:
            states = first_tokens(states, padding.shape[0])
        attended = self.norm(mixed + states)
        wide = self.activation(self.widen(attended))
        result: Tensor = self.last_norm(self.narrow(wide) + attended)
        return result


class _ErfGate(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values * (1 + torch.erf(values))
