"""Text to token ids, and tokens back to characters of the raw text. Training and serving both use it.

A *unit* is what a token label sits on: a maximal run of tokens that belong to one word of the
tokenizer's pre-tokenizer and to one kind of character (letters and digits, or else), so that the comma
in "Apple," is a unit of its own also for tokenizers whose words include it. The label of a unit is
read from, and trained on, its first token. Combining marks belong to the letter before them.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from corpus.cleaning import Cleaning, CleanText


@dataclass(frozen=True, slots=True)
class Unit:
    """First token of a unit, and its span in the raw text."""

    token: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EncodedText:
    """One encoded row: token ids, segment ids, the units of the first text, and whether tokens were cut off."""

    ids: list[int]
    type_ids: list[int]
    units: list[Unit]
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


class TextEncoder:
    """Cleans and tokenises rows with one tokenizer, one maximal length and one cleaning."""

    def __init__(self, tokenizer: Tokenizer, max_length: int, cleaning: Cleaning) -> None:
        self.tokenizer = tokenizer
        self.cleaning = cleaning
        self.max_length = max_length
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=max_length)

    @classmethod
    def from_file(cls, path: Path, max_length: int, cleaning: Cleaning) -> "TextEncoder":
        """Open a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)), max_length, cleaning)

    def encode(
        self, texts: Sequence[str], pairs: Sequence[str | None] | None = None, *, with_units: bool = True
    ) -> list[EncodedText]:
        """Encode rows in one call of the Rust tokenizer. Units are left empty when they are not asked for."""
        clean = [self.cleaning.apply(_encodable(text)) for text in texts]
        inputs: list[str | tuple[str, str]] = [text.text for text in clean]
        for row, pair in enumerate(pairs or ()):
            if pair is not None:
                inputs[row] = (clean[row].text, self.cleaning.apply(_encodable(pair)).text)
        encodings = self.tokenizer.encode_batch(inputs)
        return [
            EncodedText(
                ids=encoding.ids,
                type_ids=encoding.type_ids,
                units=_units(encoding, text) if with_units else [],
                truncated=bool(encoding.overflowing),
            )
            for encoding, text in zip(encodings, clean, strict=True)
        ]


def pad(rows: Sequence[EncodedText], pad_id: int) -> dict[str, npt.NDArray[np.int64]]:
    """Pad rows to the longest of them.

    Returns:
        `input_ids`, `attention_mask` and `token_type_ids`, each rows x longest, int64.
    """
    shape = (len(rows), max(len(row) for row in rows))
    ids = np.full(shape, pad_id, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    types = np.zeros(shape, dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row.ids
        mask[index, : len(row)] = 1
        types[index, : len(row)] = row.type_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


_SURROGATE = re.compile("[\ud800-\udfff]")


def _encodable(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 can carry, as U+FFFD: offsets stay as they are."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _units(encoding: Encoding, clean: CleanText) -> list[Unit]:
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
