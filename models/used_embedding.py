"""Training only the rows of the embedding that occur in the data.

A row that no text uses gets no gradient, yet AdamW reads and writes it, and its two moments, at every
step: with a vocabulary of 30,000 to 250,000 that is a large share of the time of a small batch. Here the
rows in use are the parameter, and the others keep their values (as they would without weight decay).
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from assay.models.dataset import Ints
from assay.models.network import Network


class UsedEmbedding(nn.Module):
    """An embedding of which only the rows in use are a parameter."""

    def __init__(self, full: nn.Embedding, used: Ints) -> None:
        super().__init__()
        rows = torch.from_numpy(used.astype(np.int64))
        place = torch.full((full.num_embeddings,), -1, dtype=torch.int64)
        place[rows] = torch.arange(len(rows))
        self._full = [full]  # in a list, so that it is no sub-module with parameters to train
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("place", place, persistent=False)
        self.weight = nn.Parameter(full.weight.detach()[rows].clone())

    def forward(self, ids: Tensor) -> Tensor:
        """Embeddings of token ids, all of which must be in use."""
        return functional.embedding(self.get_buffer("place")[ids], self.weight)

    def whole(self) -> nn.Embedding:
        """The full embedding, with the rows as they are now."""
        full = self._full[0]
        with torch.no_grad():
            full.weight[self.get_buffer("rows").to(full.weight.device)] = self.weight.detach().to(full.weight.device)
        return full


def train_used_rows(network: Network, used: Ints) -> None:
    """Put a `UsedEmbedding` in the place of the encoder's input embedding."""
    full = network.model.get_input_embeddings()
    if isinstance(full, nn.Embedding) and full.weight.requires_grad:
        network.model.set_input_embeddings(UsedEmbedding(full, used))


def restore_embedding(network: Network) -> None:
    """Undo `train_used_rows`, keeping what was learnt."""
    embedding = network.model.get_input_embeddings()
    if isinstance(embedding, UsedEmbedding):
        network.model.set_input_embeddings(embedding.whole())
