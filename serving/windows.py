"""Overlapping windows of texts longer than the model reads.

The words are those of the whole text. A word in the overlap of two windows is predicted in the window in which its
first token lies further inside. Each word is therefore predicted once, with context before and after it, and entities
are decoded over the whole text at once.
"""

from collections.abc import Iterator, Sequence

from tokenizers import Encoding

from assay.corpus.cleaning import CleanText
from assay.serving.words import Word, words_of_tokens

# The overlap is a quarter of the window.
OVERLAP_SHARE = 4


def overlap_of(max_length: int, special_tokens: int) -> int:
    """Return the number of tokens that two neighbouring windows share."""
    return max(0, (max_length - special_tokens) // OVERLAP_SHARE)


def weights_of(lengths: Sequence[int], overlap: int, special_tokens: int) -> list[int]:
    """Return the weight of each window for the sentence head: its tokens that no earlier window read, at least 1."""
    return [max(1, length - special_tokens - (overlap if number else 0)) for number, length in enumerate(lengths)]


def words_of_windows(encodings: Sequence[Encoding], clean: CleanText, overlap: int) -> list[list[Word]]:
    """Return the words of a text that is read in windows, each in the window that predicts it.

    Args:
        encodings: the windows, in the order of the text.
        clean: the text.
        overlap: number of tokens that two neighbouring windows share; the earlier window predicts the first half.

    Returns:
        The words per window, which together are those of the whole text, with token indices in the window.
    """
    positions = list(_token_positions(encodings, overlap))
    token_rows = [(encoding.word_ids, encoding.offsets) for encoding in encodings]
    words = words_of_tokens(
        ((token_rows[window][0][token], token_rows[window][1][token]) for window, token in positions),
        clean,
        lambda number: encodings[positions[number][0]].tokens[positions[number][1]],
    )
    words_per_window: list[list[Word]] = [[] for _ in encodings]
    for word in words:
        window, token = positions[word.token]
        words_per_window[window].append(Word(token, word.start, word.end))
    return words_per_window


def _token_positions(encodings: Sequence[Encoding], overlap: int) -> Iterator[tuple[int, int]]:
    """Yield window and index of each token of the text once, in the window in which the token lies further inside."""
    half = (overlap + 1) // 2
    for window, encoding in enumerate(encodings):
        tokens = [number for number, sequence in enumerate(encoding.sequence_ids) if sequence == 0]
        begin = half if window else 0
        end = len(tokens) - (overlap - half if window + 1 < len(encodings) else 0)
        yield from ((window, number) for number in tokens[begin:end])
