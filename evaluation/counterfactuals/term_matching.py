"""Terms of a list as whole words of a text."""

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
    """Where a term belongs: its group, its kind, and how the list writes it."""

    group: str
    kind: str
    term: str


@dataclass(frozen=True, slots=True)
class TermMatch:
    """A term in a text, and the places that its form has in the list."""

    start: int
    end: int
    places: tuple[TermPosition, ...]


class Finder:
    """Finds the terms of a list in any case, the longest first; kinds that are only put in are not looked for."""

    def __init__(self, terms: TermList) -> None:
        self._places = _places(terms)
        self._within_names = terms.within_names
        longest_first = sorted(self._places, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)

    def find(self, text: str) -> list[TermMatch]:
        """The terms of a text, in order."""
        return [
            TermMatch(match.start(), match.end(), self._places[match.group().lower()])
            for match in self._pattern.finditer(text)
            if match.group().lower() in self._places
            and not _ends_in_mark(text, match.end())
            and (self._within_names or not _within_name(text, match.start(), match.end()))
        ]


def word_before(text: str, start: int) -> str | None:
    """The word right before a position, with nothing but white space between."""
    found = _WORD_BEFORE.search(text, max(0, start - LOOK_BACK), start)
    return found.group(1) if found else None


def word_after(text: str, end: int) -> str | None:
    """The word right behind a position, with nothing but white space between."""
    found = _WORD_AFTER.match(text, end)
    return found.group(1) if found else None


def get_path(choices: Sequence[str], *key: str) -> str:
    """One of the choices, the same for the same key, whatever else there is: no random state."""
    return choices[int(digest_json(key)[:12], 16) % len(choices)]


def pick_some(items: Sequence[Item], most: int, key: Callable[[Item], tuple[str, ...]]) -> list[Item]:
    """At most so many items, in their order: as good as drawn by lot, but always the same for the same keys."""
    if len(items) <= most:
        return list(items)
    chosen = set(sorted(range(len(items)), key=lambda number: digest_json(key(items[number])))[:most])
    return [item for number, item in enumerate(items) if number in chosen]


def _places(terms: TermList) -> Mapping[str, tuple[TermPosition, ...]]:
    skipped = terms.grammar.only_put_in if terms.grammar else frozenset()
    places: dict[str, list[TermPosition]] = defaultdict(list)
    for group in terms.groups:
        for kind, forms in terms.kinds(group).items():
            for form in forms:
                if kind not in skipped:
                    places[form.lower()].append(TermPosition(group, kind, form))
    return {form: tuple(found) for form, found in places.items()}


def _ends_in_mark(text: str, end: int) -> bool:
    """Whether an accent follows that belongs to the last letter."""
    return end < len(text) and unicodedata.category(text[end]).startswith("M")


def _within_name(text: str, start: int, end: int) -> bool:
    """Whether a capitalised neighbour says that the term is part of a proper name."""
    before, after = word_before(text, start), word_after(text, end)
    if after is not None and after[0].isupper():
        return True
    return (
        before is not None
        and before[0].isupper()
        and not _SENTENCE_START.search(text, max(0, start - LOOK_BACK), start)
    )
