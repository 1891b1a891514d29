"""Matching of the terms of a list as whole words of a text."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from assay.corpus.storage.digest import digest_json
from assay.recipes.term_lists import TermList

Item = TypeVar("Item")

LOOK_BACK = 60  # characters
_WORD_BEFORE = re.compile(r"(\w+)\s+$")
_WORD_AFTER = re.compile(r"\s+(\w+)")
_SENTENCE_START = re.compile(r"(?:^|[.!?:\"“])\s*\w+\s*$")


@dataclass(frozen=True, slots=True)
class TermPosition:
    """Position of a term in its list: group, kind and spelling."""

    group: str
    kind: str
    term: str


@dataclass(frozen=True, slots=True)
class TermMatch:
    """A term in a text, with all positions of its form in the list."""

    start: int
    end: int
    positions: tuple[TermPosition, ...]


class TermFinder:
    """Case-insensitive finder of the terms of a list, the longest first; kinds that are only put in are not matched."""

    def __init__(self, terms: TermList) -> None:
        self._positions = _positions(terms)
        self._within_names = terms.within_names
        longest_first = sorted(self._positions, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)

    def find(self, text: str) -> list[TermMatch]:
        """Return the terms of a text, in order."""
        return [
            TermMatch(match.start(), match.end(), self._positions[match.group().lower()])
            for match in self._pattern.finditer(text)
            if match.group().lower() in self._positions
            and not _has_combining_mark(text, match.end())
            and (self._within_names or not _is_within_name(text, match.start(), match.end()))
        ]


def word_before(text: str, start: int) -> str | None:
    """Return the word before a position, with only white space between; None if there is none."""
    match = _WORD_BEFORE.search(text, max(0, start - LOOK_BACK), start)
    return match.group(1) if match else None


def word_after(text: str, end: int) -> str | None:
    """Return the word after a position, with only white space between; None if there is none."""
    match = _WORD_AFTER.match(text, end)
    return match.group(1) if match else None


def choose(choices: Sequence[str], *key: str) -> str:
    """Return one of the choices, chosen by the hash of the key alone, without random state."""
    return choices[int(digest_json(key)[:12], 16) % len(choices)]


def choose_some(items: Sequence[Item], most: int, key: Callable[[Item], tuple[str, ...]]) -> list[Item]:
    """Return at most `most` items in their order: a pseudo-random sample that depends only on the keys."""
    if len(items) <= most:
        return list(items)
    chosen = set(sorted(range(len(items)), key=lambda number: digest_json(key(items[number])))[:most])
    return [item for number, item in enumerate(items) if number in chosen]


def _positions(terms: TermList) -> Mapping[str, tuple[TermPosition, ...]]:
    skipped = terms.grammar.replacement_only if terms.grammar else frozenset()
    positions: dict[str, list[TermPosition]] = defaultdict(list)
    for group in terms.groups:
        for kind, forms in terms.kinds(group).items():
            for form in forms:
                if kind not in skipped:
                    positions[form.lower()].append(TermPosition(group, kind, form))
    return {form: tuple(forms_positions) for form, forms_positions in positions.items()}


def _has_combining_mark(text: str, end: int) -> bool:
    """Return whether the last letter is followed by a combining mark."""
    return end < len(text) and unicodedata.category(text[end]).startswith("M")


def _is_within_name(text: str, start: int, end: int) -> bool:
    """Return whether a capitalised neighbour marks the term as part of a proper name."""
    before, after = word_before(text, start), word_after(text, end)
    if after is not None and after[0].isupper():
        return True
    return (
        before is not None
        and before[0].isupper()
        and not _SENTENCE_START.search(text, max(0, start - LOOK_BACK), start)
    )
