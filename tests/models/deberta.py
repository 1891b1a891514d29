"""DeBERTa networks with random weights, of every kind of attention, and rows for them."""

from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, DebertaV2Config

from assay.models.network import Network, quiet

V3 = {
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
}
# Kinds of attention that differ from V3.
ATTENTION_KINDS: list[dict[str, Any]] = [
    {"position_buckets": 8, "max_position_embeddings": 40},
    {"position_buckets": -1, "max_position_embeddings": 20},
    {"share_att_key": False},
    {"share_att_key": False, "pos_att_type": ["c2p"]},
    {"pos_att_type": ["p2c"]},
    {"pos_att_type": []},
    {"relative_attention": False, "pos_att_type": None},
]


def make_network(heads: str = "tokens", **changes: Any) -> Network:
    """Make a DeBERTa with random weights, two layers of two heads, and the settings of V3 with changes."""
    torch.manual_seed(0)
    make: Any = DebertaV2Config
    config = make(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        # Large enough that attention is far from even and an error in it shows, small enough that rounding does not.
        initializer_range=0.15,
        num_labels=3,
        **(V3 | changes),
    )
    loader: Any = AutoModelForSequenceClassification if heads == "sentence" else AutoModelForTokenClassification
    with quiet():
        return Network(loader.from_config(config), None).eval()


def batch(length: int, rows: int = 2) -> dict[str, Tensor]:
    """Make random rows, the last of which ends in padding."""
    generator = torch.Generator().manual_seed(length)
    mask = torch.ones(rows, length, dtype=torch.int64)
    mask[-1, length // 2 + 1 :] = 0
    return {"input_ids": torch.randint(5, 100, (rows, length), generator=generator), "attention_mask": mask}
