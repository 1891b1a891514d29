"""Replacement of words in a text, and the spans that old and new text share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.corpus.example import Entity


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """Characters `start` to `end` (exclusive) of a text, and the text that replaces them."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class SharedSpan:
    """A span that two texts share: its start in the first and in the second text, and its length."""

    first: int
    second: int
    length: int


def replace_words(text: str, replacements: Sequence[Replacement]) -> tuple[str, tuple[SharedSpan, ...]]:
    """Replace words that do not overlap.

    Returns:
        The new text, and the spans outside the replaced words: first in the old text, second in the new one.
    """
    new_text, shared_spans, end = "", [], 0
    for replacement in sorted(replacements):
        shared_spans.append(SharedSpan(end, len(new_text), replacement.start - end))
        new_text += text[end : replacement.start] + replacement.text
        end = replacement.end
    shared_spans.append(SharedSpan(end, len(new_text), len(text) - end))
    return new_text + text[end:], tuple(span for span in shared_spans if span.length)


def in_case_of(original: str, listed: str, term: str) -> str:
    """Return `term` in the case of `original`, whose spelling in the list is `listed`."""
    if original == listed:
        return term
    if original.islower():
        return term.lower()
    if original.isupper() and len(original) > 1:
        return term.upper()
    return term[:1].upper() + term[1:]


def entities_outside(text: str, entities: Iterable[Entity], shared_spans: Iterable[SharedSpan]) -> frozenset[Entity]:
    """Return the parts of the second text's entities that lie in shared spans, in offsets of the first text.

    White space at the ends of a part is stripped, so that an entity that includes the replaced word equals one that
    ends before it.
    """
    pieces = set()
    for entity in entities:
        for span in shared_spans:
            start, end = max(entity.start, span.second), min(entity.end, span.second + span.length)
            words = text[start:end].strip()
            if start < end and words:
                begin = text.index(words, start) - span.second + span.first
                pieces.add(Entity(begin, begin + len(words), entity.label))
    return frozenset(pieces)
