"""Units: what a token label sits on.

A *unit* is a maximal run of tokens that belong to one word of the tokenizer's pre-tokenizer and to one kind of
character (letters and digits, or else), so that the comma in "Apple," is a unit of its own also for tokenizers
whose words include it. The label of a unit is read from, and trained on, its first token. Combining marks belong
to the letter before them.
"""

import unicodedata
from dataclasses import dataclass

from tokenizers import Encoding

from corpus.cleaning import CleanText


@dataclass(frozen=True, slots=True)
class Unit:
    """First token of a unit, and its span in the raw text."""

    token: int
    start: int
    end: int


def units_of(encoding: Encoding, clean: CleanText) -> list[Unit]:
    """The units of the first text of an encoding."""
    units: list[Unit] = []
    text = clean.text
    word, kind, begin, finish, first = None, None, 0, 0, 0
    rows = zip(encoding.word_ids, encoding.sequence_ids, encoding.offsets, strict=True)
    for token, (word_id, sequence, (start, end)) in enumerate(rows):
        if sequence != 0 or word_id is None:
            continue
        # Byte-level and sentencepiece tokenizers count the space before a word as part of it.
        while start < end and text[start].isspace():
            start += 1
        # The bytes of one character may be several tokens, each with the offsets of the whole character.
        if start >= end or (kind is not None and end <= finish):
            continue
        new_kind = kind if _is_mark(text[start]) else text[start].isalnum()
        if (word_id, new_kind) != (word, kind):
            if kind is not None:
                units.append(Unit(first, *clean.raw_span(begin, finish)))
            word, kind, begin, first = word_id, new_kind, start, token
        finish = end
        # A tokenizer that strips accents leaves the marks of decomposed text outside its tokens.
        while finish < len(text) and _is_mark(text[finish]):
            finish += 1
    if kind is not None:
        units.append(Unit(first, *clean.raw_span(begin, finish)))
    return units


def _is_mark(character: str) -> bool:
    """Whether it is a combining mark: accents of decomposed text, vowel signs of Indic scripts."""
    return not character.isascii() and unicodedata.category(character).startswith("M")
