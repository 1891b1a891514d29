"""Which of the waiting rows make the next batch."""

from collections.abc import Sequence


def pick(lengths: Sequence[int], most_tokens: int, overhead_tokens: float) -> list[int]:
    """The oldest row, and the waiting rows that are as long as it is or nearly so.

    The oldest row is always in, so that none waits for ever. Others join while the padding that they bring costs
    less than a batch of their own would: on a CPU a batch gains little from its size as such.

    Args:
        lengths: tokens of each waiting row, the oldest first; at least one.
        most_tokens: of the batch, padding counted; one row is always taken.
        overhead_tokens: tokens that could be answered in the time that one batch more takes.

    Returns:
        Indices into `lengths`.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    first = last = order.index(0)
    longest = lengths[0]
    while True:
        shorter = longest - lengths[order[first - 1]] if first > 0 else None
        # A longer row makes every row before it longer, too.
        longer = (lengths[order[last + 1]] - longest) * (last - first + 1) if last + 1 < len(order) else None
        down = shorter is not None and (longer is None or shorter <= longer)
        waste = shorter if down else longer
        if waste is None or waste > overhead_tokens:
            break
        grown = longest if down else lengths[order[last + 1]]
        if grown * (last - first + 2) > most_tokens:
            break
        if down:
            first -= 1
        else:
            last += 1
            longest = grown
    return order[first : last + 1]
