"""Symbols beside letters that are part of a word: "$100", "@user", "#Brexit", "50%", "C++", "U.S."."""

import unicodedata

# Currency signs are recognised by their Unicode category.
_BEFORE_WORD = frozenset("@#")
_BEFORE_NUMBER = frozenset("+-\u2212±~≈")
_AFTER_WORD = frozenset("%‰+#°")
_STOP = "."
# Maximum number of letters before the stop of an abbreviation ("Corp."), and of one with several stops ("p.m.").
_MAX_CAPITALISED = 4
_MAX_BETWEEN_STOPS = 2


def first_of_word(text: str, start: int, letter: int) -> int:
    """Return the start of the word whose first letter is at `letter`, in a token that begins at `start`."""
    at = letter
    while at > start and _begins_word(text[at - 1], text[letter]):
        at -= 1
    return at


def _begins_word(symbol: str, letter: str) -> bool:
    return symbol in _BEFORE_WORD or _is_currency(symbol) or (letter.isdigit() and symbol in _BEFORE_NUMBER)


def last_of_word(text: str, start: int, letters_end: int, end: int) -> int:
    """Return the end of the word whose letters end at `letters_end`, in a token that ends at `end`.

    Args:
        text: text of the token.
        start: start of the word.
        letters_end: end of the last letter and its marks.
        end: end of the token.
    """
    if letters_end == end:
        return end
    at = letters_end
    while at < end and (text[at] in _AFTER_WORD or _is_currency(text[at])):
        at += 1
    return at if at > letters_end else letters_end + _takes_stop(text, start, letters_end)


def _takes_stop(text: str, start: int, end: int) -> bool:
    """Return whether the stop at `end` belongs to the word: "Inc.", "U.S." and "Yahoo!", not "said." and "2018."."""
    begin = end
    while begin > start and end - begin <= _MAX_CAPITALISED and text[begin - 1].isalpha():
        begin -= 1
    letters = end - begin
    if text[end] == "!":
        return text[start].isupper()
    if text[end] != _STOP or not letters:
        return False
    several = letters <= _MAX_BETWEEN_STOPS and _STOP in text[start:begin]
    return several or (letters <= _MAX_CAPITALISED and text[begin].isupper())


def _is_currency(character: str) -> bool:
    return unicodedata.category(character) == "Sc"
