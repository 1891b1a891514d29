from pathlib import Path

import numpy as np
import torch

from assay.models.network import Network, build_network
from assay.models.used_embedding import UsedEmbedding, restore_embedding, train_used_rows
from assay.recipes.recipe import ModelSection

IDS = torch.tensor([[2, 7, 8, 9, 3]])
MASK = torch.ones_like(IDS)


def _network(folder: Path) -> Network:
    torch.manual_seed(0)
    return build_network(ModelSection(encoder=str(folder), heads=["sentence"]), 2, 0).eval()


def _step(network: Network) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.0)
    for _ in range(3):
        network(IDS, MASK)["sentence"][:, 0].sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_used_embedding_trains_like_the_full_embedding(tiny_bert_folder: Path) -> None:
    # given two equal networks, one of which trains the rows in use only
    whole, used = _network(tiny_bert_folder), _network(tiny_bert_folder)
    train_used_rows(used, np.array([0, 2, 3, 7, 8, 9, 10]))
    embedding = used.model.get_input_embeddings()
    assert isinstance(embedding, UsedEmbedding)
    assert len(embedding.weight) == 7

    # when both learn the same, and the embedding is put back
    _step(whole)
    _step(used)
    restore_embedding(used)

    # then all weights are the same
    for (name, expected), (_, found) in zip(whole.named_parameters(), used.named_parameters(), strict=True):
        torch.testing.assert_close(found, expected, msg=name)


def test_train_used_rows_leaves_a_frozen_embedding_unchanged(tiny_bert_folder: Path) -> None:
    network = _network(tiny_bert_folder)
    embedding = network.model.get_input_embeddings()
    embedding.requires_grad_(False)
    train_used_rows(network, np.array([0]))
    assert network.model.get_input_embeddings() is embedding
