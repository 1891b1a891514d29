"""Small networks with an encoder of the BERT family."""

from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
)

from assay.models.network import JointHeads, Network, quiet


def make_network(config_class: Any = BertConfig, loader: Any = AutoModelForSequenceClassification) -> Network:
    """Make two layers of random weights, large enough that attention is uneven."""
    torch.manual_seed(0)
    config = config_class(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        initializer_range=0.2,
        num_labels=3,
        max_position_embeddings=72,
    )
    with quiet():
        return Network(loader.from_config(config, attn_implementation="eager"), None).eval()


def joint(network: Network) -> Network:
    encoder: Any = network.model.base_model
    return Network(encoder, JointHeads(32, 3, 5, 0.0, pool=False)).eval()


def batch(rows: int = 3, length: int = 17) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(length)
    mask = torch.ones(rows, length, dtype=torch.int64)
    mask[-1, length // 2 :] = 0
    return {"input_ids": torch.randint(5, 100, (rows, length), generator=generator), "attention_mask": mask}


def logits_of(network: Network, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.inference_mode():
        return {head: values[:, : inputs["attention_mask"][-1].sum()] for head, values in network(**inputs).items()}
