"""Which of the waiting rows make the next batch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Part of a batch's overhead that is weighed against padding. All of it would weigh today's padding against a batch
# more, but who is left out meets closer neighbours in the next batch: simulated with 8 to 200 callers, about half of
# what is measured costs least.
_WEIGHT = 0.5


def get_path(lengths: Sequence[int], most_tokens: int, overhead_tokens: float) -> list[int]:
    """The oldest row, and its neighbours in length as far as they make the best use of a batch.

    The oldest row is always in, so that none waits for ever. Of all runs of neighbouring lengths that hold it, this
    is the one with the largest share of tokens that are no padding, where the batch itself counts as some tokens
    more: on a CPU a batch gains little from its size as such.

    Args:
        lengths: tokens of each waiting row, the oldest first; at least one.
        most_tokens: of the batch, padding counted; one row is always taken.
        overhead_tokens: tokens that could be answered in the time that one batch more takes.

    Returns:
        Indices into `lengths`.
    """
    order = np.argsort(lengths, kind="stable")
    ordered = np.asarray(lengths)[order]
    oldest = int(np.flatnonzero(order == 0)[0])
    before = np.concatenate([[0], np.cumsum(ordered)])
    first, last = np.arange(oldest + 1)[:, None], np.arange(oldest, len(ordered))[None, :]
    padded = (last - first + 1) * ordered[last]
    share: npt.NDArray[np.float64] = (before[last + 1] - before[first]) / (padded + _WEIGHT * overhead_tokens)
    share[(padded > most_tokens) & (first < last)] = 0
    best = np.unravel_index(share.argmax(), share.shape)
    chosen: list[int] = order[best[0] : oldest + best[1] + 1].tolist()
    return chosen
