"""Text to token ids, and tokens back to characters of the raw text. Training and serving both use it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from assay.corpus.cleaning import Cleaning, CleanText
from assay.corpus.errors import AssayError
from assay.serving.windows import overlap_of, weights_of, words_of_windows
from assay.serving.words import Word, words_of

__all__ = ["EncodedText", "TextEncoder", "Word", "pad"]

# A text longer than so many characters per token that the model reads is cut before it is tokenised: the cost of a row
# is then bounded by what is read of it, not by its length, or for a pair by the product of both lengths.
CHARACTERS_PER_TOKEN = 8
# Of a text that the model truncates, no more is looked at. A tokenizer takes up to 130 bytes per character.
MOST_CHARACTERS = 200_000
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class EncodedText:
    """One encoded row: token ids, segment ids, the units of the first text, and whether tokens were cut off.

    A text that is read in windows is its first window, and has the others in `rest`. Each window has the units that
    it speaks for, and a `weight` in the answer to the whole text. `len` counts the tokens of all windows.
    """

    ids: list[int]
    type_ids: list[int]
    units: list[Word]
    truncated: bool
    weight: int = 1
    rest: tuple["EncodedText", ...] = ()

    def __len__(self) -> int:
        # Asked for often, and hardly any text is read in windows.
        return len(self.ids) + sum(len(window.ids) for window in self.rest) if self.rest else len(self.ids)

    @property
    def windows(self) -> tuple["EncodedText", ...]:
        """All windows, the first included."""
        return (self, *self.rest)


class TextEncoder:
    """Cleans and tokenises rows with one tokenizer, one maximal length and one cleaning.

    Args:
        tokenizer: of the `tokenizers` library.
        max_length: longest input in tokens.
        cleaning: done to every text.
        windows: read what is longer in overlapping windows; else only its beginning.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int, cleaning: Cleaning, *, windows: bool = False) -> None:
        self.tokenizer = tokenizer
        self.cleaning = cleaning
        self.max_length = max_length
        self.windows = windows
        self._special = tokenizer.num_special_tokens_to_add(False)
        self._overlap = overlap_of(max_length, self._special) if windows else 0
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=max_length, stride=self._overlap)

    @classmethod
    def from_file(cls, path: Path, max_length: int, cleaning: Cleaning) -> "TextEncoder":
        """Open a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)), max_length, cleaning)

    def encode(
        self, texts: Sequence[str], pairs: Sequence[str | None] | None = None, *, with_words: bool = True
    ) -> list[EncodedText]:
        """Encode rows in one call of the Rust tokenizer. Units are left empty when they are not asked for.

        Raises:
            AssayError: a pair is to be read in windows, which only single texts are.
        """
        clean = [self._clean(text) for text in texts]
        seconds = [None if pair is None else self._clean(pair) for pair in pairs or [None] * len(clean)]
        if self.windows and any(second is not None for second in seconds):
            raise AssayError("long_texts is windows, but the model reads pairs; let it truncate them")
        inputs: list[str | tuple[str, str]] = [
            first.text if second is None else (first.text, second.text)
            for first, second in zip(clean, seconds, strict=True)
        ]
        # Without units nobody asks for offsets, and the tokenizer need not keep them.
        encodings = (self.tokenizer.encode_batch if with_words else self.tokenizer.encode_batch_fast)(inputs)
        return [
            self._in_windows(encoding, first, with_words)
            if self.windows and encoding.overflowing
            else EncodedText(
                ids=encoding.ids,
                type_ids=encoding.type_ids,
                units=words_of(encoding, first) if with_words else [],
                truncated=bool(encoding.overflowing) or first.cut or (second is not None and second.cut),
            )
            for encoding, first, second in zip(encodings, clean, seconds, strict=True)
        ]

    def _clean(self, text: str) -> CleanText:
        """Clean a text, and drop what lies far beyond the tokens that are read of it."""
        clean = self.cleaning.apply(_encodable(text))
        if self.windows or len(clean.text) <= CHARACTERS_PER_TOKEN * self.max_length:
            return clean
        end = self._end_of_beginning(clean.text)
        return replace(clean, text=clean.text[:end], cut=end < len(clean.text))

    def _end_of_beginning(self, text: str) -> int:
        """Return where a prefix ends that has a quarter more tokens than are read, as far as the text has them.

        The prefix ends at white space where there is some, so that no word that is read is cut.
        """
        tokens = self.max_length // 4
        size = CHARACTERS_PER_TOKEN * self.max_length
        while size < len(text):
            [encoding] = self.tokenizer.encode_batch([text[:size]], add_special_tokens=False)
            rest = encoding.overflowing[0].offsets if encoding.overflowing else []
            if len(rest) >= tokens:
                end: int = rest[tokens - 1][1]
                space = _SPACE.search(text, end, size)
                return space.start() if space else end
            if size >= MOST_CHARACTERS:
                return size
            size = min(2 * size, MOST_CHARACTERS)
        return len(text)

    def _in_windows(self, encoding: Encoding, text: CleanText, with_words: bool) -> EncodedText:
        parts = [encoding, *encoding.overflowing]
        units = words_of_windows(parts, text, self._overlap) if with_words else [[] for _ in parts]
        weights = weights_of([len(part.ids) for part in parts], self._overlap, self._special)
        first, *rest = (
            EncodedText(part.ids, part.type_ids, own, truncated=False, weight=weight)
            for part, own, weight in zip(parts, units, weights, strict=True)
        )
        return replace(first, rest=tuple(rest))


def pad(rows: Sequence[EncodedText], pad_id: int) -> dict[str, npt.NDArray[np.int64]]:
    """Pad rows, or windows of rows, to the longest of them.

    Returns:
        `input_ids`, `attention_mask` and `token_type_ids`, each rows x longest, int64.
    """
    shape = (len(rows), max(len(row.ids) for row in rows))
    ids = np.full(shape, pad_id, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    types = np.zeros(shape, dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = row.ids
        mask[index, : len(row.ids)] = 1
        types[index, : len(row.ids)] = row.type_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


_SURROGATE = re.compile("[\ud800-\udfff]")


def _encodable(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 can carry, as U+FFFD: offsets stay as they are."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
