"""Texts longer than the model reads, in overlapping windows: which window speaks for which part of the text.

Units are those of the whole text. One in the overlap of two windows is read in the window in which its first token
lies further inside, so that each unit is read once, with context before and after it, and entities are decoded over
the whole text at once.
"""

from collections.abc import Iterator, Sequence

from tokenizers import Encoding

from assay.corpus.cleaning import CleanText
from assay.serving.words import Word, words_of_tokens

# Context that a token at the edge of a window has on the side of the next: a quarter of the window.
OVERLAP_SHARE = 4


def overlap_of(max_length: int, special_tokens: int) -> int:
    """Tokens that two neighbouring windows share."""
    return max(0, (max_length - special_tokens) // OVERLAP_SHARE)


def weights_of(lengths: Sequence[int], overlap: int, special_tokens: int) -> list[int]:
    """How much each window counts for the sentence: the tokens that no window before it read, one at least."""
    return [max(1, length - special_tokens - (overlap if number else 0)) for number, length in enumerate(lengths)]


def words_of_windows(encodings: Sequence[Encoding], clean: CleanText, overlap: int) -> list[list[Word]]:
    """Return the units of a text that is read in windows, each in the window that reads it.

    Args:
        encodings: the windows, in the order of the text.
        clean: the text.
        overlap: tokens that two neighbouring windows share; the first half of them is read in the former window.

    Returns:
        For each window, its units: together those of the whole text, with the token's number in the window.
    """
    places = list(_places(encodings, overlap))
    rows = [(encodings[window].word_ids, encodings[window].offsets) for window in range(len(encodings))]
    units = words_of_tokens(
        ((rows[window][0][token], rows[window][1][token]) for window, token in places),
        clean,
        lambda number: encodings[places[number][0]].tokens[places[number][1]],
    )
    shares: list[list[Word]] = [[] for _ in encodings]
    for unit in units:
        window, token = places[unit.token]
        shares[window].append(Word(token, unit.start, unit.end))
    return shares


def _places(encodings: Sequence[Encoding], overlap: int) -> Iterator[tuple[int, int]]:
    """Yield window and number of each token of the text, once, from the window in which it lies further inside."""
    half = (overlap + 1) // 2
    for window, encoding in enumerate(encodings):
        tokens = [number for number, sequence in enumerate(encoding.sequence_ids) if sequence == 0]
        begin = half if window else 0
        end = len(tokens) - (overlap - half if window + 1 < len(encodings) else 0)
        yield from ((window, number) for number in tokens[begin:end])
