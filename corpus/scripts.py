"""Kinds of characters for word boundaries: scripts with and without spaces, and marks that combine with letters.

Chinese, Japanese, Thai and others are written without spaces between words, so that a word can begin at any of their
letters. In all other scripts a word is a run of letters and digits, with the marks that combine with them.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from enum import IntEnum


class Kind(IntEnum):
    """Kind of a character.

    `SPACE` is white space, also of width zero. `JOINER` is an invisible character that separates nothing. `MARK`
    combines with the character before it. `LETTER` is a letter or digit of a script that writes spaces, `SIGN` a
    letter of one that does not, also a squared or enclosed one ("㈱"). `OTHER` is punctuation and symbols.
    """

    SPACE = 0
    JOINER = 1
    MARK = 2
    OTHER = 3
    LETTER = 4
    SIGN = 5


ZERO_WIDTH_SPACE = "\u200b"
ZERO_WIDTH_JOINER = "\u200d"
MAX_CACHED = 1 << 16
# First and last character of each block of scripts that write no spaces between words.
WITHOUT_SPACES = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue, Khmer symbols
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0x2FDF),  # radicals of Han
    (0x3000, 0x312F),  # signs of Han, Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31FF),  # Bopomofo, strokes, Katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0xA4CF),  # Han, Yi
    (0xA980, 0xA9FF),  # Javanese, Myanmar
    (0xAA60, 0xAADF),  # Myanmar, Tai Viet
    (0xF900, 0xFAFF),  # Han
    (0xFF66, 0xFF9F),  # Katakana of half width
    (0x1AFF0, 0x1B16F),  # Kana
    (0x20000, 0x3FFFF),  # Han
)
# Letters of Han and Kana in brackets, circles and squares.
_RUN = re.compile(r"[^\W_]+|\S")
_SQUARED = (0x3200, 0x33FF)
_STARTS = [start for start, _ in WITHOUT_SPACES]
# Letters by category that are the vowels and final consonants of a decomposed Hangul syllable, or voice a Katakana.
_JOINING = ((0x1160, 0x11FF), (0xD7B0, 0xD7FF), (0xFF9E, 0xFF9F))


class _Kinds(dict[str, Kind]):
    """Cache of the kind of each character."""

    def __missing__(self, character: str) -> Kind:
        kind = _kind(character)
        if len(self) < MAX_CACHED:
            self[character] = kind
        return kind


KINDS = _Kinds()
"""Kind of a character: `KINDS["a"]` is `Kind.LETTER`."""


def inside_word(text: str, at: int) -> bool:
    """Return whether a word continues across the offset `at`: a mark follows, or letters are on both its sides."""
    if not 0 < at < len(text):
        return False
    if text[at] == ZERO_WIDTH_JOINER:
        return inside_word(text, after_joiners(text, at))
    following = KINDS[text[at]]
    return following is Kind.MARK or (following is Kind.LETTER and base_kind(text, at) is Kind.LETTER)


def split_signs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a span, divided before and after each letter of a script without spaces."""
    for at in range(start + 1, end):
        mark = KINDS[text[at]] is Kind.MARK
        if not mark and Kind.SIGN in (KINDS[text[at]], base_kind(text, at)):
            yield start, at
            start = at
    yield start, end


def base_kind(text: str, end: int) -> Kind:
    """Return the kind of the last character before `end` that is not a mark; `SPACE` if there is none."""
    end = before_marks(text, end)
    return KINDS[text[end - 1]] if end else Kind.SPACE


def before_marks(text: str, end: int) -> int:
    """Return the offset before the marks that end at `end`."""
    while end > 0 and KINDS[text[end - 1]] is Kind.MARK:
        end -= 1
    return end


def after_joiners(text: str, at: int) -> int:
    """Return the offset after the zero-width joiners at `at`: they join nothing at the end of a word."""
    while at < len(text) and text[at] == ZERO_WIDTH_JOINER:
        at += 1
    return at


def is_invisible(character: str) -> bool:
    """Return whether a character at the edge of a word is not part of it: white space or an invisible character."""
    return KINDS[character] < Kind.MARK or character == ZERO_WIDTH_JOINER


def _kind(character: str) -> Kind:
    if character.isspace() or character == ZERO_WIDTH_SPACE:
        return Kind.SPACE
    category = unicodedata.category(character)
    code = ord(character)
    if category[0] == "M" or character == ZERO_WIDTH_JOINER or any(low <= code <= high for low, high in _JOINING):
        return Kind.MARK
    if category in ("Cf", "Cc"):
        return Kind.JOINER
    if not character.isalnum():
        return Kind.SIGN if category == "So" and _SQUARED[0] <= code <= _SQUARED[1] else Kind.OTHER
    block = bisect_right(_STARTS, code) - 1
    signs = block >= 0 and code <= WITHOUT_SPACES[block][1] and category != "Nd"
    return Kind.SIGN if signs else Kind.LETTER


def plain_words(text: str) -> list[tuple[int, int]]:
    """Return the spans of words and signs of a text, without a tokenizer.

    A word is a run of letters and digits; a letter of a script without spaces, and any other character, stands alone.
    """
    spans: list[tuple[int, int]] = []
    for match in _RUN.finditer(text):
        start, end = match.span()
        if any(KINDS[character] is Kind.SIGN for character in match.group()):
            spans += [(place, place + 1) for place in range(start, end)]
        else:
            spans.append((start, end))
    return spans
