"""Disentangled attention (He et al. 2021, arXiv:2006.03654) for inference, with few and cheap operators."""

import copy
import math

import torch
from torch import Tensor, nn
from transformers.models.deberta_v2.modeling_deberta_v2 import DisentangledSelfAttention, make_log_bucket_position


class DisentangledAttention(nn.Module):
    """Disentangled self-attention over texts of one padded and even length L.

    The score of query i and key j is q_i.k_j + q_i.K(i-j) + k_j.Q(i-j), where K and Q are the projected embeddings of
    a distance: see `_by_distance`.

    Args:
        original: module of transformers.
        distances: normalised embeddings of the buckets; None without relative attention.
        max_length: maximum text length in tokens.
        first_only: compute only the query of the first token of each text.
    """

    def __init__(
        self,
        original: DisentangledSelfAttention,
        distances: Tensor | None,
        max_length: int,
        *,
        first_only: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.width = original.num_attention_heads, original.attention_head_size
        self.max_length, self.first_only = 2 * half_up(max_length), first_only
        kinds = original.pos_att_type if original.relative_attention else []
        factor = 1 + ("c2p" in original.pos_att_type) + ("p2c" in original.pos_att_type)
        scale = 1 / math.sqrt(self.width * factor)
        self.query, self.key, self.value = (
            scaled(original.query_proj, scale, scale),
            original.key_proj,
            original.value_proj,
        )
        self.position_keys: Tensor | None
        self.position_queries: Tensor | None
        keys = queries = None
        if distances is not None:
            rows = distance_rows(original, self.max_length)
            if "c2p" in kinds:
                project = original.key_proj if original.share_att_key else original.pos_key_proj
                keys = self._by_head(project(distances)[rows.flip(0)])
            if "p2c" in kinds:
                project = original.query_proj if original.share_att_key else original.pos_query_proj
                queries = self._by_head(project(distances)[rows] * scale)
        self.register_buffer("position_keys", keys)
        self.register_buffer("position_queries", queries)

    def forward(self, states: Tensor, padding: Tensor) -> Tensor:
        """Return the attended states: (B L) x hidden, or B x hidden.

        Args:
            states: (B L) x hidden.
            padding: B x 1 x 1 x L, 0 for tokens, the lowest number for padding.
        """
        batch = padding.shape[0]
        query_states = first_tokens(states, batch) if self.first_only else states
        query, key, value = (
            project(inputs).view(batch, -1, self.heads, self.width).transpose(1, 2)
            for project, inputs in ((self.query, query_states), (self.key, states), (self.value, states))
        )
        scores = product_with_transposed(query, key)
        if self.position_keys is not None:
            scores = scores + self._content_to_position(query, self.position_keys, key.shape[2])
        if self.position_queries is not None:
            scores = scores + self._position_to_content(key, self.position_queries)
        attended: Tensor = (scores + padding).softmax(-1) @ value
        return attended.transpose(1, 2).reshape(-1, self.heads * self.width)

    def _by_head(self, rows: Tensor) -> Tensor:
        """Reshape rows x hidden to heads x 1 x head width x rows."""
        return rows.detach().view(len(rows), self.heads, 1, self.width).permute(1, 2, 3, 0).contiguous()

    def _content_to_position(self, query: Tensor, positions: Tensor, length: int) -> Tensor:
        """Return scores, B x heads x queries x L; columns of `positions` are distances max_length ... -max_length."""
        middle = self.max_length
        if self.first_only:
            return query @ positions[:, 0, :, middle : middle + length]
        return _by_distance(query, positions, middle)

    def _position_to_content(self, key: Tensor, positions: Tensor) -> Tensor:
        """Return scores, B x heads x queries x L; columns of `positions` are distances -max_length ... max_length."""
        middle, length = self.max_length, key.shape[2]
        if self.first_only:
            distances = positions[:, 0, :, middle - length + 1 : middle + 1].flip(-1)
            return (key * distances.transpose(1, 2)).sum(-1).unsqueeze(2)
        return _by_distance(key, positions, middle).transpose(-1, -2)


def _by_distance(vectors: Tensor, positions: Tensor, middle: int) -> Tensor:
    """Return the products of each vector i with the column of its distance from each token j: B x heads x L x L.

    A relative shift (Transformer-XL, Dai et al. 2019, arXiv:1901.02860) that selects whole blocks. With
    h = L/2, the h vectors of either half need no more than 3h+1 columns of the positions. Let them begin so that token
    j of vector t lies in column h-t+j. Then it lies at the address t(3h+1) + h-t+j = (3t+1)h + j of the products: of
    their blocks of h numbers, the scores of t are the two after block 3t.

    Args:
        vectors: B x heads x L x head width.
        positions: heads x 1 x head width x columns; one column on is one token on.
        middle: the column of distance 0.
    """
    batch, heads, length, width = vectors.shape
    half = length // 2
    columns = 3 * half + 1
    windows = [positions[..., begin : begin + columns] for begin in (middle - half, middle - 2 * half)]
    products = vectors.view(batch, heads, 2, half, width) @ torch.cat(windows, dim=1)
    block_numbers = (3 * torch.arange(half)[:, None] + torch.tensor([1, 2])).flatten()
    scores = products.view(batch, heads, 2, columns, half).index_select(3, block_numbers)
    return scores.view(batch, heads, length, length)


def product_with_transposed(left: Tensor, right: Tensor) -> Tensor:
    """Return `left @ right`, with the last two dimensions of `right` transposed but not copied."""
    if torch.onnx.is_in_onnx_export():
        shape = (*left.shape[:-1], right.shape[-2])
        return torch.onnx.ops.symbolic(
            "com.microsoft::FusedMatMul", (left, right), {"transB": 1}, dtype=left.dtype, shape=shape, version=1
        )
    return left @ right.transpose(-1, -2)


def distance_rows(original: DisentangledSelfAttention, max_length: int) -> Tensor:
    """Return the row of the embeddings for each distance from -max_length to max_length."""
    distances = torch.arange(-max_length, max_length + 1)
    if original.position_buckets > 0 and original.max_relative_positions > 0:
        distances = make_log_bucket_position(distances, original.position_buckets, original.max_relative_positions)
    span = original.pos_ebd_size
    return (distances.long() + span).clamp(0, 2 * span - 1)


def first_tokens(states: Tensor, batch: int) -> Tensor:
    """Return the states of the first tokens: B x hidden, from (B L) x hidden."""
    return states.view(batch, -1, states.shape[-1])[:, 0]


def half_up(length: int) -> int:
    """Return half of a length, rounded up."""
    return (length + 1) // 2


def scaled(linear: nn.Linear, weight: float, bias: float = 1.0) -> nn.Linear:
    """Return a copy of a layer with scaled weights and bias."""
    result = copy.deepcopy(linear)
    result.weight.data *= weight
    result.bias.data *= bias
    return result
