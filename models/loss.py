"""The loss of one or several heads."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from assay.models import distributed as processes
from assay.models.crf import IGNORED, SMALLEST, LinearChainCrf
from assay.models.dataset import Ints


class HeadsLoss(nn.Module):
    """Cross entropy of the sentence and labels heads plus weighted cross entropy or CRF loss of the token head.

    Args:
        crf: CRF that replaces the cross entropy of single tags; None without one.
        tokens_weight: weight of the token loss.
        label_smoothing: label smoothing of the sentence loss.
        class_weights: one weight per class of the sentence head, or None.
        positive_weights: weight of the rows that have a label, per label of the labels head, or None.
    """

    def __init__(
        self,
        crf: LinearChainCrf | None,
        tokens_weight: float = 1.0,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
        positive_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self._crf = crf
        self._tokens_weight = tokens_weight
        self._label_smoothing = label_smoothing
        self._class_weights: Tensor | None
        self.register_buffer("_class_weights", class_weights)
        self._positive_weights: Tensor | None
        self.register_buffer("_positive_weights", positive_weights)

    def forward(self, logits: dict[str, Tensor], labels: dict[str, Tensor]) -> Tensor:
        """Return the loss of a batch; a head without labels in the batch adds nothing.

        If several processes share the batch, each returns its part: the mean of the parts is the loss of the whole
        batch, over labelled rows for the sentence head, labels of labelled rows for the labels head, and labelled words
        for the token head.

        Args:
            logits: output of `Network.forward`.
            labels: `sentence` (B), `labels` (B x labels) and `tokens` (B x L), `IGNORED` for missing labels; optionally
                `weights` (B), the sample weights of all heads.
        """
        parts, weights = [], labels.get("weights")
        if "sentence" in logits:
            parts.append(self._sentence(logits["sentence"], labels["sentence"], weights))
        if "labels" in logits:
            parts.append(
                _mean_binary_cross_entropy(logits["labels"], labels["labels"], weights, self._positive_weights)
            )
        if "tokens" in logits:
            parts.append(self._tokens_weight * self._tokens(logits["tokens"], labels["tokens"], weights))
        return torch.stack(parts).sum()

    def _sentence(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        return _mean_cross_entropy(logits, labels, weights, self._class_weights, self._label_smoothing)

    def _tokens(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        if self._crf is not None:
            loss: Tensor = self._crf(logits.float(), labels, weights)
            return loss
        token_weights = None if weights is None else weights.unsqueeze(1).expand_as(labels).flatten()
        return _mean_cross_entropy(logits.flatten(0, 1), labels.flatten(), token_weights)


def balanced_weights(labels: Ints, classes: int) -> Tensor:
    """Return weights inverse to the frequency of each class, with a mean of 1 over the rows.

    A class without rows has the weight 1, and does not lower those of the others.
    """
    counts = np.bincount(labels[labels != IGNORED], minlength=classes)
    present = counts > 0
    weights = np.ones(classes)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return torch.tensor(weights, dtype=torch.float32)


def balanced_positive_weights(rows: Sequence[Ints]) -> Tensor:
    """Return the number of rows without each label per row with it, from the targets of the labels head.

    Args:
        rows: per row 1 for each label that applies, 0 for the others, `IGNORED` for unlabelled rows.
    """
    labelled = np.stack([row for row in rows if IGNORED not in row])
    positives = labelled.sum(axis=0)
    return torch.tensor((len(labelled) - positives) / np.maximum(positives, 1), dtype=torch.float32)


def _mean_binary_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, positive_weights: Tensor | None = None
) -> Tensor:
    """Return the mean over the labels of labelled rows (B x labels), weighted by `weights` per row."""
    shares = (labels != IGNORED).to(torch.float32)
    losses = functional.binary_cross_entropy_with_logits(
        logits.float(), labels.clamp(min=0).to(torch.float32), reduction="none", pos_weight=positive_weights
    )
    if weights is not None:
        shares = shares * weights.unsqueeze(1)
    return (losses * shares).sum() / processes.mean_of_sums(shares.sum()).clamp(min=SMALLEST)


def _mean_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the mean over labelled positions, weighted by `weights` per row and `class_weights` per class."""
    losses = functional.cross_entropy(
        logits.float(), labels, class_weights, ignore_index=IGNORED, reduction="none", label_smoothing=label_smoothing
    )
    shares = (labels != IGNORED).to(losses.dtype)
    if class_weights is not None:
        shares = shares * class_weights[labels.clamp(min=0)]
    if weights is not None:
        losses, shares = losses * weights, shares * weights
    return losses.sum() / processes.mean_of_sums(shares.sum()).clamp(min=SMALLEST)
