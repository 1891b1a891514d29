"""A linear-chain conditional random field (Lafferty et al. 2001) over the units of a text."""

import torch
from torch import Tensor, nn

from assay.models import distributed as processes

IGNORED = -100
# What a mean is divided by at least: where nothing is labelled, the sum above it is 0.
SMALLEST = 1e-8


class LinearChainCrf(nn.Module):
    """Scores of the first tag, of the last tag, and of each step from tag to tag."""

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.empty(tags).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(tags).uniform_(-0.1, 0.1))
        self.between = nn.Parameter(torch.empty(tags, tags).uniform_(-0.1, 0.1))

    def forward(self, emissions: Tensor, tags: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean negative log likelihood a unit.

        Args:
            emissions: B x L x T, for every token.
            tags: B x L, the tag on the first token of each unit, `IGNORED` on all others.
            weights: B, how much each row counts; none: all the same.
        """
        emissions, tags, mask = gather_words(emissions, tags)
        likelihood = self.score(emissions, tags, mask) - self.partition(emissions, mask)
        # Rows without a unit have nothing to say: their score and partition differ by a constant of no meaning.
        counted = torch.where(mask[:, 0], likelihood, torch.zeros_like(likelihood))
        units = mask.sum(1).to(counted.dtype)
        if weights is not None:
            counted, units = counted * weights, units * weights
        return -counted.sum() / processes.mean_of_sums(units.sum()).clamp(min=SMALLEST)

    def score(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Score of one path a row (B). Shapes: B x U x T, B x U, B x U; units lie at the front of the row."""
        emitted = emissions.gather(2, tags.unsqueeze(2)).squeeze(2) * mask
        moved = self.between[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]
        last = tags.gather(1, (mask.sum(1, keepdim=True) - 1).clamp(min=0)).squeeze(1)
        return emitted.sum(1) + moved.sum(1) + self.start[tags[:, 0]] + self.end[last]

    def partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Log of the summed exponentials of all paths (B), by the forward algorithm."""
        alpha = self.start + emissions[:, 0]
        for step in range(1, emissions.shape[1]):
            following = torch.logsumexp(alpha.unsqueeze(2) + self.between, dim=1) + emissions[:, step]
            alpha = torch.where(mask[:, step].unsqueeze(1), following, alpha)
        return torch.logsumexp(alpha + self.end, dim=1)


def gather_words(emissions: Tensor, tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Move the first tokens of units to the front of each row.

    Args:
        emissions: B x L x T.
        tags: B x L, `IGNORED` where no unit begins.

    Returns:
        Emissions (B x U x T), tags (B x U, 0 behind the last unit) and mask (B x U), U units in the longest row.
    """
    begins = tags != IGNORED
    longest = max(int(begins.sum(1).max()), 1)
    order = begins.int().argsort(dim=1, descending=True, stable=True)[:, :longest]
    mask = begins.gather(1, order)
    chosen = emissions.gather(1, order.unsqueeze(2).expand(-1, -1, emissions.shape[2]))
    return chosen, tags.gather(1, order).masked_fill(~mask, 0), mask
