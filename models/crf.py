"""A linear-chain conditional random field (Lafferty et al. 2001) over the words of a text."""

import torch
from torch import Tensor, nn

from assay.models import distributed as processes

IGNORED = -100
# Minimum divisor of a mean: without labels, the sum that it divides is 0.
SMALLEST = 1e-8


class LinearChainCrf(nn.Module):
    """CRF with scores of the first tag, the last tag, and each transition between tags."""

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.empty(tags).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(tags).uniform_(-0.1, 0.1))
        self.between = nn.Parameter(torch.empty(tags, tags).uniform_(-0.1, 0.1))

    def forward(self, emissions: Tensor, tags: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the mean negative log likelihood per word.

        Args:
            emissions: B x L x T, for every token.
            tags: B x L, the tag on the first token of each word, `IGNORED` on all others.
            weights: B, sample weights; None weighs all rows equally.
        """
        emissions, tags, mask = gather_words(emissions, tags)
        likelihood = self.score(emissions, tags, mask) - self.partition(emissions, mask)
        # Rows without words do not count: their score and partition differ by a meaningless constant.
        word_likelihood = torch.where(mask[:, 0], likelihood, torch.zeros_like(likelihood))
        word_counts = mask.sum(1).to(word_likelihood.dtype)
        if weights is not None:
            word_likelihood, word_counts = word_likelihood * weights, word_counts * weights
        return -word_likelihood.sum() / processes.mean_of_sums(word_counts.sum()).clamp(min=SMALLEST)

    def score(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Return the score of one path per row (B), from B x W x T, B x W and B x W with words at the front of rows."""
        emitted = emissions.gather(2, tags.unsqueeze(2)).squeeze(2) * mask
        transitions = self.between[tags[:, :-1], tags[:, 1:]] * mask[:, 1:]
        last = tags.gather(1, (mask.sum(1, keepdim=True) - 1).clamp(min=0)).squeeze(1)
        return emitted.sum(1) + transitions.sum(1) + self.start[tags[:, 0]] + self.end[last]

    def partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Return the log-sum-exp of the scores of all paths (B), by the forward algorithm."""
        alpha = self.start + emissions[:, 0]
        for step in range(1, emissions.shape[1]):
            step_alpha = torch.logsumexp(alpha.unsqueeze(2) + self.between, dim=1) + emissions[:, step]
            alpha = torch.where(mask[:, step].unsqueeze(1), step_alpha, alpha)
        return torch.logsumexp(alpha + self.end, dim=1)


def gather_words(emissions: Tensor, tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Move the first tokens of words to the front of each row.

    Args:
        emissions: B x L x T.
        tags: B x L, `IGNORED` unless a word begins at the token.

    Returns:
        Emissions (B x W x T), tags (B x W, 0 after the last word) and mask (B x W), with W words in the longest row.
    """
    begins = tags != IGNORED
    longest = max(int(begins.sum(1).max()), 1)
    order = begins.int().argsort(dim=1, descending=True, stable=True)[:, :longest]
    mask = begins.gather(1, order)
    chosen = emissions.gather(1, order.unsqueeze(2).expand(-1, -1, emissions.shape[2]))
    return chosen, tags.gather(1, order).masked_fill(~mask, 0), mask
