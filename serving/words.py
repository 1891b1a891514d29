"""Units: what a token label sits on.

A *unit* is a word as far as the tokenizer can tell it apart. It begins

- after white space of any kind, whether the tokenizer splits there or not;
- where the tokenizer's pre-tokenizer begins a word;
- where letters and digits begin or end, so that the comma in "Apple," is a unit of its own;
- at each token of punctuation, and of scripts that are written without spaces: there each token may begin a word.

The label of a unit is read from, and trained on, its first token. Combining marks belong to the letter before them.
A token that holds letters and punctuation stands for its letters, with the symbols that are part of a word: "$100",
"@user", "50%", "U.S.". What lies in the middle of a token begins no unit: a tokenizer whose tokens reach over white
space or from word to word cannot label these words apart.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tokenizers import Encoding

from assay.corpus.cleaning import CleanText
from assay.corpus.scripts import KINDS, ZERO_WIDTH_JOINER, Kind, before_marks, is_invisible
from assay.serving.symbols import first_of_word, last_of_word

# Stands for the space before a word in sentencepiece's vocabularies; by itself it claims the character after it.
PREFIX = "▁"
TokenRow = tuple[int | None, tuple[int, int]]


class Word(NamedTuple):
    """First token of a unit, and its span in the raw text."""

    token: int
    start: int
    end: int


def words_of(encoding: Encoding, clean: CleanText) -> list[Word]:
    """Return the units of the first text of an encoding."""
    words: list[int | None] = encoding.word_ids
    if encoding.n_sequences > 1:
        sequences = zip(words, encoding.sequence_ids, strict=True)
        words = [word if sequence == 0 else None for word, sequence in sequences]
    return words_of_tokens(zip(words, encoding.offsets, strict=True), clean, lambda token: encoding.tokens[token])


def words_of_tokens(rows: Iterable[TokenRow], clean: CleanText, token_text: Callable[[int], str]) -> list[Word]:
    """Return the units of a text, by number of the token.

    Args:
        rows: number of the word (None: no token of this text) and offsets of each token.
        clean: the text that was tokenised.
        token_text: gives a token by its number.
    """
    text, kinds, letter = clean.text, KINDS, Kind.LETTER
    found: list[tuple[int, int, int]] = []
    word, kind, begin, finish, first = None, Kind.SPACE, 0, 0, -1
    for token, (word_id, (start, end)) in enumerate(rows):
        # The bytes of one character may be several tokens, each with the offsets of the whole character.
        if word_id is None or end <= finish or start == end:
            continue
        if start < finish:
            if start == begin and kind is Kind.SIGN and token_text(first) == PREFIX:
                first, finish = -1, begin
            else:
                start = finish
        new_kind = last_kind = kinds[text[start]]
        # Nearly every token is letters alone.
        if new_kind is not letter or kinds[text[end - 1]] is not letter:
            new_kind, last_kind, start, end = _core(text, start, end)
            if start == end:
                continue
        if new_kind is not letter or kind is not letter or word_id != word or _apart(text, finish, start):
            if first >= 0:
                found.append((first, begin, finish))
            word, begin, first = word_id, start, token
        kind = last_kind
        # A tokenizer that strips accents leaves the marks of decomposed text outside its tokens.
        finish = end if text.isascii() else _behind_marks(text, end)
    if first >= 0:
        found.append((first, begin, finish))
    if ZERO_WIDTH_JOINER in text:
        found = [(first, begin, _without_joiner(text, finish)) for first, begin, finish in found]
    return list(map(Word._make, found)) if clean.starts is None else _in_raw_text(found, clean)


def _core(text: str, start: int, end: int) -> tuple[Kind, Kind, int, int]:
    """Return what a token stands for: the kinds of its first and last character, and its span.

    The span is without white space, and without punctuation beside letters. Marks count as the letter before them.
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
    end = last_of_word(text, start, _behind_last_letter(text, letter, end), end)
    return KINDS[text[start]], KINDS[text[before_marks(text, end) - 1]], start, end


def _behind_last_letter(text: str, letter: int, end: int) -> int:
    """Return the offset behind the last letter of a token and its marks; the token has one at `letter`."""
    while (base := before_marks(text, end)) > letter and KINDS[text[base - 1]] < Kind.LETTER:
        end = base - 1
    return end


def _without_joiner(text: str, end: int) -> int:
    """Return the end of a unit without the joiners at its edge, which join nothing."""
    while text[end - 1] == ZERO_WIDTH_JOINER:
        end -= 1
    return end


def _apart(text: str, end: int, start: int) -> bool:
    """Return whether anything but invisible characters lies between a token and the next."""
    return start > end and any(KINDS[character] is not Kind.JOINER for character in text[end:start])


def _behind_marks(text: str, end: int) -> int:
    """Return the offset behind the marks that follow."""
    while end < len(text) and KINDS[text[end]] is Kind.MARK:
        end += 1
    return end


def _in_raw_text(found: list[tuple[int, int, int]], clean: CleanText) -> list[Word]:
    units: list[Word] = []
    reached = 0
    for token, begin, finish in found:
        # The characters that cleaning puts in one place all stand for the whole of what was there.
        start, end = clean.raw_span(begin, finish)
        if end > reached:
            units.append(Word(token, max(start, reached), end))
            reached = end
    return units
