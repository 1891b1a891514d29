"""Training of only those rows of the embedding that occur in the data.

A row that no text uses gets no gradient, but AdamW still reads and writes it and its two moments in every step: with a
vocabulary of 30,000 to 250,000, this is a large share of the time of a small batch. `UsedEmbedding` has only the rows
in use as a parameter, and the others keep their values (as they would without weight decay).
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
        position = torch.full((full.num_embeddings,), -1, dtype=torch.int64)
        position[rows] = torch.arange(len(rows))
        self._full = [full]  # in a list, so that it is not a sub-module with trainable parameters
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("position", position, persistent=False)
        self.weight = nn.Parameter(full.weight.detach()[rows].clone())

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of token ids, all of which must be in use."""
        return functional.embedding(self.get_buffer("position")[ids], self.weight)

    def whole(self) -> nn.Embedding:
        """Return the full embedding with the current values of the used rows."""
        full = self._full[0]
        with torch.no_grad():
            full.weight[self.get_buffer("rows").to(full.weight.device)] = self.weight.detach().to(full.weight.device)
        return full


def train_used_rows(network: Network, used: Ints) -> None:
    """Replace the input embedding of the encoder by a `UsedEmbedding`."""
    full = network.model.get_input_embeddings()
    if isinstance(full, nn.Embedding) and full.weight.requires_grad:
        network.model.set_input_embeddings(UsedEmbedding(full, used))


def restore_embedding(network: Network) -> None:
    """Undo `train_used_rows` and keep the trained values."""
    embedding = network.model.get_input_embeddings()
    if isinstance(embedding, UsedEmbedding):
        network.model.set_input_embeddings(embedding.whole())
