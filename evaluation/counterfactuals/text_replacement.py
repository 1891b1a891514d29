"""Words of a text replaced, and what of it was kept where."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.corpus.example import Entity


@dataclass(frozen=True, slots=True, order=True)
class Replacement:
    """Characters `start` to `end` (exclusive) of a text, and what is put there."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A stretch that two texts share: where it begins in the first and in the second, and its length."""

    first: int
    second: int
    length: int


def replace_words(text: str, replacements: Sequence[Replacement]) -> tuple[str, tuple[Kept, ...]]:
    """Replace words that do not overlap.

    Returns:
        The new text, and the stretches outside the replaced words: first in the old text, second in the new one.
    """
    made, kept, end = "", [], 0
    for one in sorted(replacements):
        kept.append(Kept(end, len(made), one.start - end))
        made += text[end : one.start] + one.text
        end = one.end
    kept.append(Kept(end, len(made), len(text) - end))
    return made + text[end:], tuple(stretch for stretch in kept if stretch.length)


def in_case_of(original: str, listed: str, term: str) -> str:
    """`term` in the case that `original`, which the list writes as `listed`, has in the text."""
    if original == listed:
        return term
    if original.islower():
        return term.lower()
    if original.isupper() and len(original) > 1:
        return term.upper()
    return term[:1].upper() + term[1:]


def entities_outside(text: str, entities: Iterable[Entity], kept: Iterable[Kept]) -> frozenset[Entity]:
    """The entities of the second text as far as they lie on kept stretches, in offsets of the first text.

    White space at the ends of such a piece does not count, so that it does not matter whether a span took the
    replaced word in or stopped before it.
    """
    pieces = set()
    for entity in entities:
        for stretch in kept:
            start, end = max(entity.start, stretch.second), min(entity.end, stretch.second + stretch.length)
            words = text[start:end].strip()
            if start < end and words:
                begin = text.index(words, start) - stretch.second + stretch.first
                pieces.add(Entity(begin, begin + len(words), entity.label))
    return frozenset(pieces)
