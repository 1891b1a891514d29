"""Logits to answers: softmax, BIO tags to spans, Viterbi for a CRF. Numpy only."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpus.entity import Entity
from serving.encoding import Unit

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


def spans(tags: Sequence[str], units: Sequence[Unit]) -> list[Entity]:
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


def tag_units(entities: Sequence[Entity], units: Sequence[Unit]) -> list[str]:
    """Entities in characters to one BIO tag a unit: the inverse of `spans` where entities do not overlap.

    A unit belongs to the first entity it shares a character with.
    """
    tags = [OUTSIDE] * len(units)
    ordered = sorted(entities)
    position = 0
    previous: Entity | None = None
    for index, unit in enumerate(units):
        while position < len(ordered) and ordered[position].end <= unit.start:
            position += 1
        if position == len(ordered) or ordered[position].start >= unit.end:
            previous = None
            continue
        entity = ordered[position]
        tags[index] = f"{'I' if entity is previous else 'B'}-{entity.label}"
        previous = entity
    return tags


def widened(text: str, entities: Sequence[Entity], units: Sequence[Unit]) -> tuple[Entity, ...]:
    """Return the entities as tags can say them: one that begins or ends inside a unit is the whole unit.

    This is what training teaches, so scores compare predictions with it. A unit that holds white space is several words
    that the tokenizer cannot tell apart: it widens nothing.
    """
    inner = _cut_units(text, entities, units)
    if not inner:
        return tuple(entities)
    found = dict.fromkeys(
        Entity(
            inner[entity.start].start if entity.start in inner else entity.start,
            inner[entity.end].end if entity.end in inner else entity.end,
            entity.label,
        )
        for entity in entities
    )
    return tuple(sorted(found))


def _cut_units(text: str, entities: Sequence[Entity], units: Sequence[Unit]) -> dict[int, Unit]:
    """Edges of entities that lie inside a unit of one word, with that unit."""
    starts = [unit.start for unit in units]
    found: dict[int, Unit] = {}
    for edge in {edge for entity in entities for edge in (entity.start, entity.end)}:
        position = bisect_left(starts, edge) - 1
        if position >= 0 and edge < units[position].end:
            unit = units[position]
            if not any(map(str.isspace, text[unit.start : unit.end])):
                found[edge] = unit
    return found
