"""Pruning of encoders of the BERT family for export, with unchanged weights and predictions.

- A head that reads the first token needs only that token of the last layer: its queries and its feed-forward part are
  computed for the first token alone, keys and values for all tokens.
- The mask is the same for every query, so that one row of it is enough (B x 1 x 1 x L instead of B x 1 x L x L).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.bert.modeling_bert import BertLayer
from transformers.models.camembert.modeling_camembert import CamembertLayer
from transformers.models.electra.modeling_electra import ElectraLayer
from transformers.models.roberta.modeling_roberta import RobertaLayer
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaLayer

from assay.models.network import Network

LAYERS = (BertLayer, CamembertLayer, ElectraLayer, RobertaLayer, XLMRobertaLayer)


class FirstTokenLayer(nn.Module):
    """The last layer of an encoder, computed for the first token only.

    Args:
        layer: one of `LAYERS`; its weights are shared.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, states: Tensor, attention_mask: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        """Return the first state (B x 1 x hidden) from all states (B x L x hidden); the mask is additive."""
        layer: Any = self.layer
        attention = layer.attention.self
        first = states[:, :1]
        shape = (states.shape[0], -1, attention.num_attention_heads, attention.attention_head_size)
        query, key, value = (
            projection(x).view(shape).transpose(1, 2)
            for projection, x in ((attention.query, first), (attention.key, states), (attention.value, states))
        )
        scores = query @ key.transpose(2, 3) * attention.scaling
        if attention_mask is not None:
            scores = scores + attention_mask[:, :, :1]
        context = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        output: Tensor = layer.feed_forward_chunk(layer.attention.output(context, first))
        return output


@contextmanager
def pruned_for_export(network: Network) -> Iterator[None]:
    """Prune the parts that no head reads inside the block, if the encoder belongs to the BERT family.

    Args:
        network: network in eval mode, with eager attention. It is restored after the block.
    """
    layers: Any = getattr(getattr(network.encoder, "encoder", None), "layer", None)
    if not layers or not all(isinstance(layer, LAYERS) for layer in layers):
        yield
        return
    last, handle = layers[-1], network.encoder.register_forward_pre_hook(_one_row_of_mask, with_kwargs=True)
    if _reads_first_token_only(network):
        layers[-1] = FirstTokenLayer(last)
    try:
        yield
    finally:
        layers[-1] = last
        handle.remove()


def _reads_first_token_only(network: Network) -> bool:
    # The sentence heads of transformers for these families read the first token; a joint model reads all tokens.
    return network.joint is None and type(network.model).__name__.endswith("ForSequenceClassification")


def _one_row_of_mask(
    _: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Expand the mask to four dimensions: transformers adds it as it is, but expands two dimensions per query."""
    mask: Tensor = named["attention_mask"]
    padding = (1 - mask.to(torch.float32)) * torch.finfo(torch.float32).min
    return positional, named | {"attention_mask": padding[:, None, None, :]}
