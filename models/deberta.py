"""DeBERTa-v2 and -v3 for inference: disentangled attention rewritten, with equal results.

He et al. 2021 (arXiv:2006.03654) score a pair of tokens by their contents and by the distance between them. The
module of transformers projects the embeddings of all distances in every layer of every call, copies them for every
row, and picks the scores with an index the size of the result. Here

- the projections are constants, laid out by distance (the logarithmic buckets are applied to the constants) and cut
  to the distances that a text of this length has;
- picking is a change of shape: see `DisentangledAttention`;
- the scale is part of the weights.

It is the same arithmetic in another order, so results differ by rounding alone.
"""

import copy
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.deberta_v2.modeling_deberta_v2 import (
    DebertaV2ForSequenceClassification,
    DebertaV2Layer,
    DebertaV2Model,
    DisentangledSelfAttention,
    make_log_bucket_position,
)

from models.deberta_operators import product_with_transposed
from models.network import Network

_log = logging.getLogger(__name__)


@contextmanager
def rewritten(network: Network, max_length: int) -> Iterator[None]:
    """Inside, the encoder of the network is rewritten for inference, where it is a DeBERTa that can be.

    Args:
        network: in eval mode, adapters merged. Its weights are read, not changed.
        max_length: longest input in tokens.
    """
    stock = network.encoder
    if not isinstance(stock, DebertaV2Model):
        yield
        return
    if reason := unsupported(stock):
        _log.warning("this DeBERTa is exported as transformers has it, which is slower: %s", reason)
        yield
        return
    # The sentence head of transformers pools the first token alone.
    first_only = isinstance(network.model, DebertaV2ForSequenceClassification)
    network.replace_encoder(InferenceEncoder(stock, max_length, first_only=first_only))
    try:
        yield
    finally:
        network.replace_encoder(stock)


def unsupported(model: DebertaV2Model) -> str | None:
    """Why a DeBERTa cannot be rewritten; none if it can."""
    encoder: Any = model.encoder
    if model.z_steps > 1:
        return "it repeats its last layer (z_steps)"
    if not all(type(layer.attention.self) is DisentangledSelfAttention for layer in encoder.layer):
        return "its attention is not that of transformers"
    return None


class InferenceEncoder(nn.Module):
    """Stands in for a `DebertaV2Model` at inference.

    Args:
        model: supported, in eval mode.
        max_length: longest input in tokens.
        first_only: give the state of the first token alone; the last layer need not work out the others.
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
        """States of the last layer: B x L x hidden, or B x 1 x hidden; those of padding mean nothing.

        Args:
            input_ids: B x L.
            attention_mask: B x L, 1 for tokens, 0 for padding.
            token_type_ids: B x L, where the model has types.
        """
        # Only a convolution would let padding reach its neighbours.
        mask = None if self.convolution is None else attention_mask
        embedded = self.embeddings(input_ids=input_ids, token_type_ids=token_type_ids, mask=mask)
        batch, length, width = embedded.shape
        # One row a token: a linear layer is then one product with its bias.
        states = embedded.reshape(-1, width)
        padding = (1 - attention_mask).to(states.dtype) * torch.finfo(states.dtype).min
        padding = padding[:, None, None, :]
        for number, layer in enumerate(self.layers):
            states = layer(states, padding)
            if number == 0 and self.convolution is not None:
                states = self.convolution(embedded, states.view(batch, length, width), attention_mask).flatten(0, 1)
        return BaseModelOutput(last_hidden_state=states.view(batch, -1, width))


class _Layer(nn.Module):
    """A layer: attention, then the two dense layers."""

    def __init__(
        self, stock: DebertaV2Layer, distances: Tensor | None, max_length: int, *, first_only: bool = False
    ) -> None:
        super().__init__()
        self.attention = DisentangledAttention(stock.attention.self, distances, max_length, first_only=first_only)
        self.mix, self.norm = stock.attention.output.dense, stock.attention.output.LayerNorm
        self.activation = stock.intermediate.intermediate_act_fn
        self.widen, self.narrow = stock.intermediate.dense, stock.output.dense
        self.last_norm = stock.output.LayerNorm
        if isinstance(self.activation, GELUActivation):
            # gelu(x) is x/2 (1 + erf(x/√2)): with √½ in the weights before and behind it, y (1 + erf(y)).
            self.activation = _ErfGate()
            self.widen = _scaled(self.widen, math.sqrt(0.5), math.sqrt(0.5))
            self.narrow = _scaled(self.narrow, math.sqrt(0.5))

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


class DisentangledAttention(nn.Module):
    """Disentangled self-attention over texts of one padded length L.

    The score of query i and key j is q_i.k_j + q_i.K(i-j) + k_j.Q(i-j), where K and Q are the projected embeddings of
    a distance. The products of all q_i with K at the distances L ... -L are a matrix of 2L+1 columns, in which what
    belongs to i and j lies in column L-i+j, so at the address i(2L+1) + L-i+j = (2i+1)L + j. Read as a matrix of L
    columns, its odd rows are the L x L scores. (The relative shift of Transformer-XL, Dai et al. 2019,
    arXiv:1901.02860, with the width chosen so that whole rows are taken.) The same holds for k_j and Q at the
    distances -L ... L, transposed.

    Args:
        stock: the module of transformers.
        distances: embeddings of the buckets, normalised; none without relative attention.
        max_length: longest text in tokens.
        first_only: only the first token of each text asks.
    """

    def __init__(
        self, stock: DisentangledSelfAttention, distances: Tensor | None, max_length: int, *, first_only: bool = False
    ) -> None:
        super().__init__()
        self.heads, self.width = stock.num_attention_heads, stock.attention_head_size
        self.max_length, self.first_only = max_length, first_only
        kinds = stock.pos_att_type if stock.relative_attention else []
        factor = 1 + ("c2p" in stock.pos_att_type) + ("p2c" in stock.pos_att_type)
        scale = 1 / math.sqrt(self.width * factor)
        self.query, self.key, self.value = _scaled(stock.query_proj, scale, scale), stock.key_proj, stock.value_proj
        self.position_keys: Tensor | None
        self.position_queries: Tensor | None
        keys = queries = None
        if distances is not None:
            rows = distance_rows(stock, max_length)
            if "c2p" in kinds:
                project = stock.key_proj if stock.share_att_key else stock.pos_key_proj
                keys = self._by_head(project(distances)[rows.flip(0)])
            if "p2c" in kinds:
                project = stock.query_proj if stock.share_att_key else stock.pos_query_proj
                queries = self._by_head(project(distances)[rows] * scale)
        self.register_buffer("position_keys", keys)
        self.register_buffer("position_queries", queries)

    def forward(self, states: Tensor, padding: Tensor) -> Tensor:
        """Attended states: (B L) x hidden, or B x hidden.

        Args:
            states: (B L) x hidden.
            padding: B x 1 x 1 x L, 0 for tokens, the lowest number for padding.
        """
        batch = padding.shape[0]
        asking = first_tokens(states, batch) if self.first_only else states
        query, key, value = (
            project(inputs).view(batch, -1, self.heads, self.width).transpose(1, 2)
            for project, inputs in ((self.query, asking), (self.key, states), (self.value, states))
        )
        scores = product_with_transposed(query, key)
        if self.position_keys is not None:
            scores = scores + self._content_to_position(query, self.position_keys, key.shape[2])
        if self.position_queries is not None:
            scores = scores + self._position_to_content(key, self.position_queries)
        attended: Tensor = (scores + padding).softmax(-1) @ value
        return attended.transpose(1, 2).reshape(-1, self.heads * self.width)

    def _by_head(self, rows: Tensor) -> Tensor:
        """Heads x head width x rows, from rows x hidden."""
        return rows.detach().view(len(rows), self.heads, self.width).permute(1, 2, 0).contiguous()

    def _content_to_position(self, query: Tensor, positions: Tensor, length: int) -> Tensor:
        """B x heads x queries x L; the columns of the positions are the distances max_length ... -max_length."""
        middle = self.max_length
        if self.first_only:
            return query @ positions[:, :, middle : middle + length]
        return _odd_rows(query @ positions[:, :, middle - length : middle + length + 1])

    def _position_to_content(self, key: Tensor, positions: Tensor) -> Tensor:
        """B x heads x queries x L; the columns of the positions are the distances -max_length ... max_length."""
        middle, length = self.max_length, key.shape[2]
        if self.first_only:
            distances = positions[:, :, middle - length + 1 : middle + 1].flip(-1)
            return (key * distances.transpose(1, 2)).sum(-1).unsqueeze(2)
        return _odd_rows(key @ positions[:, :, middle - length : middle + length + 1]).transpose(-1, -2)


def _odd_rows(products: Tensor) -> Tensor:
    """B x heads x L x (2L+1), read as matrices of L columns, without every other row."""
    batch, heads, length, columns = products.shape
    return products.view(batch, heads, columns, length).index_select(2, torch.arange(length) * 2 + 1)


def first_tokens(states: Tensor, batch: int) -> Tensor:
    """B x hidden, from (B L) x hidden."""
    return states.view(batch, -1, states.shape[-1])[:, 0]


def distance_rows(stock: DisentangledSelfAttention, max_length: int) -> Tensor:
    """The row of the embeddings that each distance from -max_length to max_length has."""
    distances = torch.arange(-max_length, max_length + 1)
    if stock.position_buckets > 0 and stock.max_relative_positions > 0:
        distances = make_log_bucket_position(distances, stock.position_buckets, stock.max_relative_positions)
    span = stock.pos_ebd_size
    return (distances.long() + span).clamp(0, 2 * span - 1)


def _scaled(linear: nn.Linear, weight: float, bias: float = 1.0) -> nn.Linear:
    scaled = copy.deepcopy(linear)
    scaled.weight.data *= weight
    scaled.bias.data *= bias
    return scaled
