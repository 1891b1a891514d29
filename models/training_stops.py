"""The events that end a training early; the callers handle them without importing torch."""

from collections.abc import Sequence

from assay.corpus.errors import AssayError


class NonFiniteLoss(AssayError):  # noqa: N818  # named by its event; a search for settings handles it
    """The training loss is not finite."""


class PrunedTrial(Exception):  # noqa: N818  # named by its event; the caller of the training handles it
    """A trial was pruned; `scores` are the scores of its epochs."""

    def __init__(self, scores: Sequence[float]) -> None:
        super().__init__(f"pruned after {len(scores)} epochs")
        self.scores = list(scores)
