"""Texts longer than the model reads, in overlapping windows: which window speaks for which part of the text.

A unit in the overlap of two windows is read in the window in which it lies further inside, so that each unit
is read once, with context on both sides, and entities are decoded over the whole text at once.
"""

from collections.abc import Sequence

from serving.units import Unit

# Context that a token at the edge of a window has on the side of the next: a quarter of the window.
OVERLAP_SHARE = 4


def overlap_of(max_length: int, special_tokens: int) -> int:
    """Tokens that two neighbouring windows share."""
    return max(0, (max_length - special_tokens) // OVERLAP_SHARE)


def weights_of(lengths: Sequence[int], overlap: int, special_tokens: int) -> list[int]:
    """How much each window counts for the sentence: the tokens that no window before it read, one at least."""
    return [max(1, length - special_tokens - (overlap if number else 0)) for number, length in enumerate(lengths)]


def share_units(windows: Sequence[Sequence[Unit]]) -> list[list[Unit]]:
    """Leave each unit to one window.

    Args:
        windows: all units of each window, in the order of the text. The last of a window and the first of the next
            may be parts of a longer unit.

    Returns:
        The units that each window speaks for: together every unit of the text once, in its order.
    """
    shares: list[list[Unit]] = []
    begin = 0
    for number, units in enumerate(windows):
        end = _border(units, windows[number + 1]) if number + 1 < len(windows) else None
        own = [unit for unit in units if unit.start >= begin and (end is None or unit.start < end)]
        shares.append(own)
        begin = begin if end is None else end
    return [_whole(share, following) for share, following in zip(shares, [*windows[1:], ()], strict=True)]


def _border(units: Sequence[Unit], following: Sequence[Unit]) -> int:
    """The character at which the next window takes over: the middle of what both read whole."""
    if not units:
        return following[0].start if following else 0
    # The first unit of the next window may be the rest of one that began before it.
    common = [unit.start for unit in following[1:] if unit.start <= units[-1].start]
    return common[len(common) // 2] if common else units[-1].end


def _whole(share: list[Unit], following: Sequence[Unit]) -> list[Unit]:
    """The last unit with its end in the next window, should this one have cut it."""
    if not share:
        return share
    last = share[-1]
    end = max([last.end, *(unit.end for unit in following if unit.start < last.end)])
    return [*share[:-1], Unit(last.token, last.start, end)]
