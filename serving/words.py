"""Words, which carry the labels of a token head.

A *word* is the smallest span that the tokenizer can separate. It begins

- after white space of any kind, whether the tokenizer splits there or not;
- where the tokenizer's pre-tokenizer begins a word;
- where letters and digits begin or end, so that the comma in "Apple," is a separate word;
- at each token of punctuation, and of scripts that are written without spaces, in which each token may begin a word.

The label of a word is trained on, and read from, its first token. Combining marks belong to the letter before them.
A token of letters and punctuation stands for its letters, with the symbols that are part of a word: "$100", "@user",
"50%", "U.S.". No word begins within a token: a tokenizer whose tokens reach across white space, or from one word to the
next, cannot label these words separately.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tokenizers import Encoding

from assay.corpus.cleaning import CleanText
from assay.corpus.scripts import KINDS, ZERO_WIDTH_JOINER, Kind, before_marks, is_invisible
from assay.serving.symbols import first_of_word, last_of_word

# The space before a word in vocabularies of sentencepiece; as a token by itself it claims the character after it.
PREFIX = "▁"
TokenRow = tuple[int | None, tuple[int, int]]


class Word(NamedTuple):
    """The first token of a word, and the span of the word in the raw text."""

    token: int
    start: int
    end: int


def words_of(encoding: Encoding, clean: CleanText) -> list[Word]:
    """Return the words of the first text of an encoding."""
    word_ids: list[int | None] = encoding.word_ids
    if encoding.n_sequences > 1:
        sequences = zip(word_ids, encoding.sequence_ids, strict=True)
        word_ids = [word_id if sequence == 0 else None for word_id, sequence in sequences]
    return words_of_tokens(zip(word_ids, encoding.offsets, strict=True), clean, lambda token: encoding.tokens[token])


def words_of_tokens(rows: Iterable[TokenRow], clean: CleanText, token_text: Callable[[int], str]) -> list[Word]:
    """Return the words of a text, with the index of their first token.

    Args:
        rows: word id (None for a token of another text) and offsets of each token.
        clean: the text that was tokenised.
        token_text: returns a token by its index.
    """
    text, kinds, letter = clean.text, KINDS, Kind.LETTER
    spans: list[tuple[int, int, int]] = []
    current_id, kind, begin, finish, first = None, Kind.SPACE, 0, 0, -1
    for token, (word_id, (start, end)) in enumerate(rows):
        # One character may be several byte tokens, each with the offsets of the whole character.
        if word_id is None or end <= finish or start == end:
            continue
        if start < finish:
            if start == begin and kind is Kind.SIGN and token_text(first) == PREFIX:
                first, finish = -1, begin
            else:
                start = finish
        new_kind = last_kind = kinds[text[start]]
        # Nearly every token consists of letters only.
        if new_kind is not letter or kinds[text[end - 1]] is not letter:
            new_kind, last_kind, start, end = _core(text, start, end)
            if start == end:
                continue
        if new_kind is not letter or kind is not letter or word_id != current_id or _is_apart(text, finish, start):
            if first >= 0:
                spans.append((first, begin, finish))
            current_id, begin, first = word_id, start, token
        kind = last_kind
        # A tokenizer that strips accents leaves the marks of decomposed text outside its tokens.
        finish = end if text.isascii() else _end_of_marks(text, end)
    if first >= 0:
        spans.append((first, begin, finish))
    if ZERO_WIDTH_JOINER in text:
        spans = [(first, begin, _without_joiner(text, finish)) for first, begin, finish in spans]
    return list(map(Word._make, spans)) if clean.starts is None else _in_raw_text(spans, clean)


def _core(text: str, start: int, end: int) -> tuple[Kind, Kind, int, int]:
    """Return the kinds of the first and the last character of the core of a token, and the span of the core.

    The core is the token without white space, and without punctuation beside letters. Marks count as the letter before
    them.
    """
    kind = KINDS[text[start]]
    if kind is Kind.SPACE:
        # Byte-level and sentencepiece tokenizers count the space before a word as part of it.
        start += 1
        if start == end:
            return kind, kind, start, end
        kind = KINDS[text[start]]
    if kind > Kind.MARK and (end - start == 1 or (kind is KINDS[text[end - 1]] and kind is not Kind.OTHER)):
        return kind, kind, start, end
    while start < end and is_invisible(text[start]):
        start += 1
    while end > start and is_invisible(text[end - 1]):
        end -= 1
    letter = next((at for at in range(start, end) if KINDS[text[at]] >= Kind.LETTER), end)
    if letter == end:
        return Kind.OTHER, Kind.OTHER, start, end
    start = first_of_word(text, start, letter)
    end = last_of_word(text, start, _end_of_letters(text, letter, end), end)
    return KINDS[text[start]], KINDS[text[before_marks(text, end) - 1]], start, end


def _end_of_letters(text: str, letter: int, end: int) -> int:
    """Return the end of the last letter of a token and its marks; the token has a letter at `letter`."""
    while (base := before_marks(text, end)) > letter and KINDS[text[base - 1]] < Kind.LETTER:
        end = base - 1
    return end


def _without_joiner(text: str, end: int) -> int:
    """Return the end of a word without the joiners at its edge, which join nothing."""
    while text[end - 1] == ZERO_WIDTH_JOINER:
        end -= 1
    return end


def _is_apart(text: str, end: int, start: int) -> bool:
    """Return whether a token and the next one are separated by more than invisible characters."""
    return start > end and any(KINDS[character] is not Kind.JOINER for character in text[end:start])


def _end_of_marks(text: str, end: int) -> int:
    """Return the end of the marks that follow an offset."""
    while end < len(text) and KINDS[text[end]] is Kind.MARK:
        end += 1
    return end


def _in_raw_text(spans: list[tuple[int, int, int]], clean: CleanText) -> list[Word]:
    words: list[Word] = []
    reached = 0
    for token, begin, finish in spans:
        # Each character of a replacement by cleaning stands for the whole replaced text.
        start, end = clean.raw_span(begin, finish)
        if end > reached:
            words.append(Word(token, max(start, reached), end))
            reached = end
    return words
