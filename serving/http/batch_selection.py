"""Selection of the waiting rows that form the next batch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Fraction of a batch's overhead that is traded against padding. Counting all of it would trade padding now against an
# additional batch, but the rows that are left out meet closer neighbours in the next batch. In a simulation with 8 to
# 200 clients, about half of the measured overhead costs least.
_OVERHEAD_WEIGHT = 0.5


def select_batch(lengths: Sequence[int], max_tokens: int, overhead_tokens: float) -> list[int]:
    """Select the oldest row, and its neighbours in length as far as they make the best use of a batch.

    The oldest row is always selected, so that no row waits forever. Of all runs of neighbouring lengths that contain
    it, the function returns the one with the largest share of tokens that are not padding. The batch itself counts as
    a number of additional tokens: on a CPU, a batch gains little from its size as such.

    Args:
        lengths: tokens of each waiting row, the oldest first; at least one.
        max_tokens: maximum number of tokens of the batch, padding included; one row is always selected.
        overhead_tokens: tokens that could be computed in the time that one additional batch takes.

    Returns:
        Indices into `lengths`.
    """
    order = np.argsort(lengths, kind="stable")
    ordered = np.asarray(lengths)[order]
    oldest = int(np.flatnonzero(order == 0)[0])
    before = np.concatenate([[0], np.cumsum(ordered)])
    first, last = np.arange(oldest + 1)[:, None], np.arange(oldest, len(ordered))[None, :]
    padded = (last - first + 1) * ordered[last]
    share: npt.NDArray[np.float64] = (before[last + 1] - before[first]) / (padded + _OVERHEAD_WEIGHT * overhead_tokens)
    share[(padded > max_tokens) & (first < last)] = 0
    best = np.unravel_index(share.argmax(), share.shape)
    selected: list[int] = order[best[0] : oldest + best[1] + 1].tolist()
    return selected
