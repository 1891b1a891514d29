"""Logits to answers: softmax, BIO tags to spans, Viterbi for a CRF. Numpy only."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.corpus.entity import Entity
from assay.corpus.scripts import KINDS, Kind
from assay.serving.encoding import Word

Floats = npt.NDArray[np.float32]
OUTSIDE = "O"


def bio_tags(labels: Sequence[str]) -> list[str]:
    """The tag set of a token head: `O`, then `B-` and `I-` of each entity type, types sorted."""
    return [OUTSIDE] + [f"{prefix}-{label}" for label in sorted(labels) for prefix in "BI"]


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


@dataclass(frozen=True, slots=True)
class Transitions:
    """Scores of a linear-chain CRF: first tag (T), last tag (T), and tag to tag (T x T, from row to column)."""

    start: Floats
    end: Floats
    between: Floats

    def best_path(self, emissions: Floats) -> npt.NDArray[np.int64]:
        """Viterbi: the best tags of one row.

        Args:
            emissions: units x T, at least one unit.
        """
        score = self.start + emissions[0]
        back = np.zeros((len(emissions), len(score)), dtype=np.int64)
        for step in range(1, len(emissions)):
            paths = score[:, None] + self.between
            back[step] = paths.argmax(axis=0)
            score = paths.max(axis=0) + emissions[step]
        tags = np.zeros(len(emissions), dtype=np.int64)
        tags[-1] = (score + self.end).argmax()
        for step in range(len(emissions) - 1, 0, -1):
            tags[step - 1] = back[step, tags[step]]
        return tags


def spans(tags: Sequence[str], units: Sequence[Word]) -> list[Entity]:
    """BIO tags of units to entities in characters.

    An `I-` that continues nothing, or another type, begins an entity of its own, as seqeval's default mode
    reads it.
    """
    found: list[Entity] = []
    open_label, start, end = None, 0, 0
    for tag, unit in zip(tags, units, strict=True):
        prefix, _, label = tag.partition("-")
        if open_label is not None and (prefix != "I" or label != open_label):
            found.append(Entity(start, end, open_label))
            open_label = None
        if prefix != OUTSIDE and open_label is None:
            open_label, start = label, unit.start
        end = unit.end
    if open_label is not None:
        found.append(Entity(start, end, open_label))
    return found


def tag_words(entities: Sequence[Entity], units: Sequence[Word]) -> list[str]:
    """Entities in characters to one BIO tag a unit: the inverse of `spans` where entities do not overlap.

    A unit belongs to the first entity it shares a character with.
    """
    tags = [OUTSIDE] * len(units)
    previous: Entity | None = None
    for index, entity in enumerate(_owners(sorted(entities), units)):
        if entity is not None:
            tags[index] = f"{'I' if entity is previous else 'B'}-{entity.label}"
        previous = entity
    return tags


def _owners(ordered: Sequence[Entity], units: Sequence[Word]) -> Iterator[Entity | None]:
    """Yield the entity of each unit: the first it shares a character with."""
    position = 0
    for unit in units:
        while position < len(ordered) and ordered[position].end <= unit.start:
            position += 1
        meets = position < len(ordered) and ordered[position].start < unit.end
        yield ordered[position] if meets else None


def widened(text: str, entities: Sequence[Entity], units: Sequence[Word]) -> tuple[Entity, ...]:
    """Return the entities as tags can say them: from the first to the last of the units that they own.

    This is what training teaches, so scores compare predictions with it. Of two entities in one unit the first keeps
    it, and one that has no unit left is dropped. These stay as they are:

    - the edge in a unit that holds white space: it is several words that the tokenizer cannot tell apart;
    - the edge behind the text that was read;
    - an entity that overlaps one before it, but for the units that it cuts.
    """
    if not units:
        return tuple(entities)
    cut = _CutWords(text, units)
    ordered = sorted(entities)
    owned = _owned_spans(ordered, units)
    found: dict[Entity, None] = {}
    reached = 0
    for entity in ordered:
        if entity.start < reached:
            start, end = cut.start(entity.start), cut.end(entity.end)
        elif entity in owned:
            start, end = cut.kept(owned[entity], entity)
        elif entity.start >= units[-1].end or cut.in_words(entity):
            start, end = entity.start, entity.end
        else:
            start = end = 0
        reached = max(reached, entity.end)
        if start < end:
            found[Entity(start, end, entity.label)] = None
    return tuple(sorted(found))


def _owned_spans(ordered: Sequence[Entity], units: Sequence[Word]) -> dict[Entity, tuple[int, int]]:
    found: dict[Entity, tuple[int, int]] = {}
    for unit, entity in zip(units, _owners(ordered, units), strict=True):
        if entity is not None:
            found[entity] = found[entity][0] if entity in found else unit.start, unit.end
    return found


class _CutWords:
    """The units of a text, by the offsets inside them."""

    def __init__(self, text: str, units: Sequence[Word]) -> None:
        self._text = text
        self._units = units
        self._starts = [unit.start for unit in units]
        self._several: dict[Word, bool] = {}

    def start(self, at: int) -> int:
        """Return where the word begins that goes on across an offset; the offset itself where none does."""
        unit = self._across(at)
        return at if unit is None or self._holds_space(unit) else unit.start

    def end(self, at: int) -> int:
        """Return where that word ends."""
        unit = self._across(at)
        return at if unit is None or self._holds_space(unit) else unit.end

    def in_words(self, entity: Entity) -> bool:
        """Return whether an edge lies in a unit of several words."""
        cut = (self._across(at) for at in (entity.start, entity.end))
        return any(unit is not None and self._holds_space(unit) for unit in cut)

    def kept(self, owned: tuple[int, int], entity: Entity) -> tuple[int, int]:
        """Return the span of the units of an entity, but for edges that no tag of its words can say."""
        first, last = self._across(entity.start), self._across(entity.end)
        start = entity.start if first is not None and self._holds_space(first) else owned[0]
        several = last is not None and self._holds_space(last)
        return start, entity.end if several or self._is_unread(owned[1], entity.end) else owned[1]

    def _across(self, at: int) -> Word | None:
        position = bisect_left(self._starts, at) - 1
        return self._units[position] if position >= 0 and at < self._units[position].end else None

    def _holds_space(self, unit: Word) -> bool:
        if unit not in self._several:
            self._several[unit] = any(KINDS[self._text[at]] is Kind.SPACE for at in range(unit.start, unit.end))
        return self._several[unit]

    def _is_unread(self, begin: int, end: int) -> bool:
        """Return whether letters follow behind the last unit."""
        text = self._text
        return begin >= self._units[-1].end and any(KINDS[text[at]] >= Kind.LETTER for at in range(begin, end))
