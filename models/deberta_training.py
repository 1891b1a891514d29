"""Faster relative scores of DeBERTa-v2 and -v3 in training, with the modules of transformers.

The method is that of `assay.models.deberta`, without constants, since the weights are trained. Parameters, their names
and the random numbers of dropout are those of transformers, so that saved weights load there.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.deberta_v2.modeling_deberta_v2 import DisentangledSelfAttention


def use_fast_attention(network: nn.Module) -> None:
    """Make every disentangled attention of a network score distances by a shift instead of an index; same results."""
    for module in network.modules():
        if type(module) is DisentangledSelfAttention:
            # Changing the class of the object keeps parameters, adapters and hooks in place.
            module.__class__ = ShiftedSelfAttention


class ShiftedSelfAttention(DisentangledSelfAttention):
    """Attention that projects each distance once for all rows, and gathers scores by a change of shape."""

    def disentangled_attention_bias(
        self, query_layer: Tensor, key_layer: Tensor, relative_pos: Tensor, rel_embeddings: Tensor, scale_factor: int
    ) -> Tensor:
        """Return the contribution of distances to the scores: (B heads) x L x L.

        Args:
            query_layer: (B heads) x L x head width.
            key_layer: (B heads) x L x head width.
            relative_pos: 1 x L x L, the bucket of each distance.
            rel_embeddings: buckets x hidden.
            scale_factor: number of products in a score.
        """
        rows = _falling(relative_pos.squeeze(0), self.pos_ebd_size)
        scale = 1 / math.sqrt(query_layer.shape[-1] * scale_factor)
        keys, queries = self._project(rel_embeddings)
        scores = query_layer.new_zeros(())
        if keys is not None:
            scores = scores + self._by_distance(query_layer, keys[rows] * scale)
        if queries is not None:
            scores = scores + self._by_distance(key_layer, queries[rows.flip(0)] * scale).transpose(-1, -2)
        return scores.transpose(0, 1).reshape(-1, *scores.shape[-2:]) if scores.dim() else scores

    def _project(self, embeddings: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Project keys and queries of the buckets in the order of transformers, since adapters may draw dropout."""
        modules: Any = self
        if self.share_att_key:
            queries, keys = modules.query_proj(embeddings), modules.key_proj(embeddings)
            return keys if "c2p" in self.pos_att_type else None, queries if "p2c" in self.pos_att_type else None
        keys = modules.pos_key_proj(embeddings) if "c2p" in self.pos_att_type else None
        return keys, modules.pos_query_proj(embeddings) if "p2c" in self.pos_att_type else None

    def _by_distance(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """Return heads x B x L x L, from vectors ((B heads) x L x head width) and positions ((2L+1) x hidden).

        The product of vector i for token j lies in column L-i+j of their products, so at the address
        i(2L+1) + L-i+j = (2i+1)L + j: read as a matrix of L columns, the odd rows are the scores.
        """
        heads, (_, length, width) = self.num_attention_heads, vectors.shape
        # All rows of a head in one product.
        by_head = vectors.view(-1, heads, length, width).transpose(0, 1).reshape(heads, -1, width)
        products = by_head @ positions.view(-1, heads, width).permute(1, 2, 0)
        return products.view(heads, -1, 2 * length + 1, length)[:, :, 1::2]


def _falling(buckets: Tensor, span: int) -> Tensor:
    """Return the rows of the embeddings for the distances L ... -L; the outermost two are never used.

    Args:
        buckets: L x L, the bucket of each distance i-j.
        span: number of rows of one sign.
    """
    first_column, first_row = buckets[:, 0].flip(0), buckets[0, 1:]
    falling = torch.cat([first_column[:1], first_column, first_row, buckets[0, -1:]])
    return (falling.long() + span).clamp(0, 2 * span - 1)
