"""The loss of one or two heads."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from assay.models import distributed as processes
from assay.models.crf import IGNORED, SMALLEST, LinearChainCrf
from assay.models.dataset import Ints


class HeadsLoss(nn.Module):
    """Cross entropy of the sentence plus weighted cross entropy of the tokens, or CRF likelihood instead.

    Args:
        crf: scores tag sequences in place of the cross entropy of single tags.
        tokens_weight: weight of the token loss.
        label_smoothing: of the sentence loss.
        class_weights: one weight a class of the sentence, or None.
    """

    def __init__(
        self,
        crf: LinearChainCrf | None,
        tokens_weight: float = 1.0,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self._crf = crf
        self._tokens_weight = tokens_weight
        self._label_smoothing = label_smoothing
        self._class_weights: Tensor | None
        self.register_buffer("_class_weights", class_weights)

    def forward(self, logits: dict[str, Tensor], labels: dict[str, Tensor]) -> Tensor:
        """The loss of a batch; a head without any label in the batch adds nothing.

        Where several processes share the batch, each gives its part of the loss: the mean of these is the loss of the
        whole batch, over labelled rows for the sentence and labelled units for the tokens.

        Args:
            logits: what `Network.forward` gives.
            labels: `sentence` (B) and `tokens` (B x L), `IGNORED` where there is no label; and `weights` (B), how
                much each row counts in both heads, where rows do not count alike.
        """
        parts, weights = [], labels.get("weights")
        if "sentence" in logits:
            parts.append(self._sentence(logits["sentence"], labels["sentence"], weights))
        if "tokens" in logits:
            parts.append(self._tokens_weight * self._tokens(logits["tokens"], labels["tokens"], weights))
        return torch.stack(parts).sum()

    def _sentence(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        return _mean_cross_entropy(logits, labels, weights, self._class_weights, self._label_smoothing)

    def _tokens(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        if self._crf is not None:
            loss: Tensor = self._crf(logits.float(), labels, weights)
            return loss
        each = None if weights is None else weights.unsqueeze(1).expand_as(labels).flatten()
        return _mean_cross_entropy(logits.flatten(0, 1), labels.flatten(), each)


def balanced_weights(labels: Ints, classes: int) -> Tensor:
    """Weights inverse to the frequency of each class, 1 on average over the rows."""
    counts = np.bincount(labels[labels != IGNORED], minlength=classes)
    return torch.tensor(counts.sum() / (classes * np.maximum(counts, 1)), dtype=torch.float32)


def _mean_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean over what is labelled; `weights` and `class_weights` say how much each row and each class counts in it."""
    losses = functional.cross_entropy(
        logits.float(), labels, class_weights, ignore_index=IGNORED, reduction="none", label_smoothing=label_smoothing
    )
    shares = (labels != IGNORED).to(losses.dtype)
    if class_weights is not None:
        shares = shares * class_weights[labels.clamp(min=0)]
    if weights is not None:
        losses, shares = losses * weights, shares * weights
    return losses.sum() / processes.mean_of_sums(shares.sum()).clamp(min=SMALLEST)
