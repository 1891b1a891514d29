"""Encoding of texts as token ids, and of tokens as spans of the raw text. Training and serving both use it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from assay.corpus.cleaning import Cleaning, CleanText
from assay.corpus.errors import AssayError
from assay.serving.fork_barrier import fork_barrier
from assay.serving.windows import overlap_of, weights_of, words_of_windows
from assay.serving.words import Word, words_of

__all__ = ["EncodedText", "TextEncoder", "Word", "pad"]

# A text with more characters per token that the model reads is cut before it is tokenised. This bounds the cost of a
# row by the tokens that are read, not by its length, or for a pair by the product of both lengths.
CHARACTERS_PER_TOKEN = 8
# The maximum that is tokenised of a text which the model truncates. A tokenizer takes up to 130 bytes per character.
MAX_TOKENISED_CHARACTERS = 200_000
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class EncodedText:
    """An encoded row: token ids, segment ids, the words of the first text, and whether tokens were cut off.

    A text that is read in windows is its first window, with the other windows in `rest`. Each window holds the
    words that it predicts, and its `weight` in the prediction of the whole text. `len` counts the tokens of all
    windows.
    """

    ids: list[int]
    type_ids: list[int]
    words: list[Word]
    truncated: bool
    weight: int = 1
    rest: tuple["EncodedText", ...] = ()

    def __len__(self) -> int:
        # Called often, and few texts are read in windows.
        return len(self.ids) + sum(len(window.ids) for window in self.rest) if self.rest else len(self.ids)

    @property
    def windows(self) -> tuple["EncodedText", ...]:
        """Return all windows, the first included."""
        return (self, *self.rest)


class TextEncoder:
    """An encoder of rows with one tokenizer, one maximum length and one cleaning.

    Args:
        tokenizer: tokenizer of the `tokenizers` library.
        max_length: maximum input length in tokens.
        cleaning: cleaning of every text.
        windows: whether longer texts are read in overlapping windows; otherwise only their beginning is read.
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
        """Create an encoder from a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)), max_length, cleaning)

    def encode(
        self, texts: Sequence[str], pairs: Sequence[str | None] | None = None, *, with_words: bool = True
    ) -> list[EncodedText]:
        """Encode rows in one call of the Rust tokenizer.

        Args:
            texts: the first text of each row.
            pairs: the second text of each row, or None; None as a whole encodes single texts.
            with_words: whether to find the words; otherwise they are empty.

        Raises:
            AssayError: the encoder reads windows, which single texts alone can be read in, but a row is a pair.
        """
        clean = [self._clean(text) for text in texts]
        seconds = [None if pair is None else self._clean(pair) for pair in pairs or [None] * len(clean)]
        if self.windows and any(second is not None for second in seconds):
            raise AssayError("long_texts is windows, but the model reads pairs; set long_texts to truncate")
        inputs: list[str | tuple[str, str]] = [
            first.text if second is None else (first.text, second.text)
            for first, second in zip(clean, seconds, strict=True)
        ]
        # Only words need offsets, so that the tokenizer can skip them without words.
        encode = self.tokenizer.encode_batch if with_words else self.tokenizer.encode_batch_fast
        with fork_barrier:
            encodings = encode(inputs)
        return [
            self._in_windows(encoding, first, with_words)
            if self.windows and encoding.overflowing
            else EncodedText(
                ids=encoding.ids,
                type_ids=encoding.type_ids,
                words=words_of(encoding, first) if with_words else [],
                truncated=bool(encoding.overflowing) or first.cut or (second is not None and second.cut),
            )
            for encoding, first, second in zip(encodings, clean, seconds, strict=True)
        ]

    def _clean(self, text: str) -> CleanText:
        """Clean a text, and cut it far beyond the tokens that are read."""
        clean = self.cleaning.apply(_encodable(text))
        if self.windows or len(clean.text) <= CHARACTERS_PER_TOKEN * self.max_length:
            return clean
        end = self._end_of_beginning(clean.text)
        return replace(clean, text=clean.text[:end], cut=end < len(clean.text))

    def _end_of_beginning(self, text: str) -> int:
        """Return the end of a prefix with a quarter more tokens than are read, or of the whole text if it has fewer.

        The prefix ends at white space if there is any, so that it cuts no word that is read.
        """
        tokens = self.max_length // 4
        size = CHARACTERS_PER_TOKEN * self.max_length
        while size < len(text):
            with fork_barrier:
                [encoding] = self.tokenizer.encode_batch([text[:size]], add_special_tokens=False)
            overflow = encoding.overflowing[0].offsets if encoding.overflowing else []
            if len(overflow) >= tokens:
                end: int = overflow[tokens - 1][1]
                space = _SPACE.search(text, end, size)
                return space.start() if space else end
            if size >= MAX_TOKENISED_CHARACTERS:
                return size
            size = min(2 * size, MAX_TOKENISED_CHARACTERS)
        return len(text)

    def _in_windows(self, encoding: Encoding, text: CleanText, with_words: bool) -> EncodedText:
        windows = [encoding, *encoding.overflowing]
        words = words_of_windows(windows, text, self._overlap) if with_words else [[] for _ in windows]
        weights = weights_of([len(window.ids) for window in windows], self._overlap, self._special)
        first, *rest = (
            EncodedText(window.ids, window.type_ids, window_words, truncated=False, weight=weight)
            for window, window_words, weight in zip(windows, words, weights, strict=True)
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
    """Replace lone surrogates, which UTF-8 cannot encode, with U+FFFD, which keeps offsets."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
