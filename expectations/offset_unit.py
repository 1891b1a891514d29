"""What the offsets of entities count, where the recipe does not say it: a warning if they fit another unit better.

Characters, units of UTF-16 and bytes count alike up to the first emoji or accent. In the rows that tell them apart, an
offset of another unit falls inside a word.
"""

from collections import Counter
from typing import Literal

from assay.corpus.documents.offset_units import from_characters, to_characters
from assay.corpus.documents.values import UnreadableError
from assay.corpus.entity import Entity
from assay.corpus.example import Example
from assay.corpus.plural import counted
from assay.corpus.scripts import inside_word, is_invisible
from assay.expectations.entity_faults import cuts_word
from assay.expectations.validation_report import MAX_IDS, CheckResult, describe_ids
from assay.recipes.recipe import Recipe

NAME = "offset unit"
MOST_ROWS = 10_000  # that tell a unit from characters; more would take longer and show no more
IDS_IN_LINE = 5
# Entities of parts of words are few: a unit fits if it cuts at most this share of the words that characters cut.
LARGEST_SHARE = 0.1
Unit = Literal["utf16", "bytes"]
UNITS: tuple[Unit, ...] = ("utf16", "bytes")
KNOWN = ("tokens", "label_studio")
NAMES = {"utf16": "units of UTF-16", "bytes": "bytes of UTF-8"}
WHAT = {"utf16": "emoji or other characters that UTF-16 counts twice", "bytes": "characters beyond ASCII"}


class OffsetUnitCheck:
    """Check that takes every row of a snapshot once, whose offsets were read as characters."""

    def __init__(self, recipe: Recipe) -> None:
        """Take the recipe, which may set the unit. Words with tags have no offsets; Label Studio's unit is known."""
        source = recipe.source
        is_set = "offset_unit" in source.entity.model_fields_set
        self._is_open = not is_set and source.format not in KNOWN and "tokens" in recipe.model.heads
        self._rows: Counter[Unit] = Counter()
        self._misread: Counter[Unit] = Counter()
        self._cut: dict[Unit, list[str]] = {unit: [] for unit in UNITS}

    def add(self, example: Example) -> None:
        """Look at the entities of a row for which characters and other units differ."""
        if not self._is_open or not example.entities or example.text.isascii():
            return
        for unit in UNITS:
            if self._rows[unit] == MOST_ROWS:
                continue
            shifted = [one for one in example.entities if from_characters(example.text, one.end, unit) != one.end]
            if not shifted:
                continue
            self._rows[unit] += 1
            if any(cuts_word(example.text, entity) for entity in shifted):
                self._cut[unit].append(example.id)
            self._misread[unit] += not all(_fits(example.text, entity, unit) for entity in shifted)

    def results(self) -> list[CheckResult]:
        """Return one failed check if another unit fits the rows, else none."""
        fitting = [
            unit for unit in UNITS if self._cut[unit] and self._misread[unit] <= LARGEST_SHARE * len(self._cut[unit])
        ]
        return [self._result(fitting[0])] if fitting else []

    def _result(self, unit: Unit) -> CheckResult:
        ids, rows, misread = self._cut[unit], self._rows[unit], self._misread[unit]
        fits = "none of them" if not misread else f"{misread:,}"
        cut = f"{len(ids):,} of {counted(rows, 'row')}"
        return CheckResult(
            name=NAME,
            severity="warning",
            passed=False,
            measured=f"{cut} cut a word",
            required="offsets in characters (source.entity.offset_unit)",
            why=f"entities cut a word in {cut} with {WHAT[unit]} before an entity, and in {fits} if offsets count "
            f"{NAMES[unit]}: set source.entity.offset_unit to {unit}, or to characters if the entities are right "
            f"({describe_ids(ids[:IDS_IN_LINE], len(ids))})",
            invalid_ids=ids[:MAX_IDS],
            invalid_count=len(ids),
        )


def _fits(text: str, entity: Entity, unit: Unit) -> bool:
    """Return whether an entity covers whole words if its offsets count the unit.

    The entity was read without white space at its edges, so that its offsets may have been further apart.
    """
    begin, stop = entity.start, entity.end
    while begin > 0 and is_invisible(text[begin - 1]):
        begin -= 1
    while stop < len(text) and is_invisible(text[stop]):
        stop += 1
    starts = (_in_characters(text, at, unit) for at in range(begin, entity.start + 1))
    ends = (_in_characters(text, at, unit) for at in range(entity.end, stop + 1))
    return any(at is not None and _begins(text, at) for at in starts) and any(
        at is not None and _ends(text, at) for at in ends
    )


def _in_characters(text: str, offset: int, unit: Unit) -> int | None:
    """Return an offset that counts the unit in characters; None if there is no such place."""
    try:
        return to_characters(text, offset, unit)
    except UnreadableError:
        return None


def _begins(text: str, at: int) -> bool:
    return at < len(text) and not is_invisible(text[at]) and not inside_word(text, at)


def _ends(text: str, at: int) -> bool:
    return at > 0 and not is_invisible(text[at - 1]) and not inside_word(text, at)
