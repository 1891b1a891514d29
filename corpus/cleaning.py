"""Cleaning: one declared function from raw text to model input that tracks the raw offsets of each character.

The recipe defines it and the bundle carries it, so that training and serving clean alike. Offsets
that people see always refer to the raw text.
"""

import html
import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from assay.corpus.settings import StrictModel

# A comment ends before the next one opens: otherwise each of many unclosed comments is searched to the end.
_TAG = re.compile(r"<!--(?:(?!<!--).)*?-->|</?[A-Za-z][^<>]{0,1000}>", re.DOTALL)
_CHARACTER_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"']+")
_SPACES = re.compile(r"\s{2,}|[^\S ]")  # a single space stays as it is


@dataclass(frozen=True, slots=True)
class CleanText:
    """Cleaned text with the raw offsets of each character.

    `starts[i]:ends[i]` is the raw span of cleaned character `i`; both are None where nothing changed. `cut` is true
    where the end of the text was dropped.
    """

    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None
    cut: bool = False

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the raw span of the cleaned span `start:end` (not empty)."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


class Cleaning(StrictModel):
    """Settings of text cleaning before tokenisation; the default leaves the text unchanged."""

    html: bool = Field(False, description="Turn HTML tags into spaces and character references into characters")
    urls: Literal["keep", "drop", "token"] = Field(
        "keep", description="Keep URLs, drop them, or put the word URL in their place"
    )
    whitespace: bool = Field(False, description="Fold each run of white space into one space and strip the ends")

    def apply(self, text: str) -> CleanText:
        """Clean `text`; cleaning the result again changes nothing unless HTML was nested."""
        clean = CleanText(text)
        if self.html:
            clean = _substitute(clean, _TAG, lambda _: " ")
            clean = _substitute(clean, _CHARACTER_REFERENCE, html.unescape)
        if self.urls != "keep":
            word = "URL" if self.urls == "token" else ""
            clean = _substitute(clean, _URL, lambda _: word)
        if self.whitespace:
            clean = _strip(_substitute(clean, _SPACES, lambda _: " "))
        return clean

    def text(self, raw: str) -> str:
        """Return the cleaned text without offsets, which take most of the time."""
        # A search for one character first spares most texts the pattern.
        if self.html and "<" in raw:
            raw = _TAG.sub(" ", raw)
        if self.html and "&" in raw:
            raw = _CHARACTER_REFERENCE.sub(lambda match: html.unescape(match.group()), raw)
        if self.urls != "keep":
            raw = _URL.sub("URL" if self.urls == "token" else "", raw)
        return " ".join(raw.split()) if self.whitespace else raw


def _substitute(clean: CleanText, pattern: re.Pattern[str], replace: Callable[[str], str]) -> CleanText:
    """Replace every match; each new character maps to the whole matched span."""
    if pattern.search(clean.text) is None:
        return clean
    starts = _offsets(clean.starts if clean.starts is not None else range(len(clean.text)))
    ends = _offsets(clean.ends if clean.ends is not None else range(1, len(clean.text) + 1))
    pieces: list[str] = []
    new_starts, new_ends = _offsets(()), _offsets(())
    done = 0
    for match in pattern.finditer(clean.text):
        begin, end = match.span()
        new = replace(match.group())
        pieces += [clean.text[done:begin], new]
        new_starts += starts[done:begin] + starts[begin : begin + 1] * len(new)
        new_ends += ends[done:begin] + ends[end - 1 : end] * len(new)
        done = end
    pieces.append(clean.text[done:])
    return CleanText("".join(pieces), new_starts + starts[done:], new_ends + ends[done:])


def _offsets(values: Iterable[int]) -> "array[int]":
    """Return an array of four bytes per offset: a list takes nine times as much, and texts may be megabytes long."""
    return array("i", values)


def _strip(clean: CleanText) -> CleanText:
    text = clean.text.strip()
    if clean.text == text:
        return clean
    begin = len(clean.text) - len(clean.text.lstrip())
    end = begin + len(text)
    if clean.starts is None or clean.ends is None:
        return CleanText(text, range(begin, end), range(begin + 1, end + 1))
    return CleanText(text, clean.starts[begin:end], clean.ends[begin:end])
