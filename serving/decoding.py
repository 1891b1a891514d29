"""Decoding of logits: softmax, Viterbi for a CRF, and BIO tags to entities. Uses numpy only."""

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
    """Return the tags of a token head: `O`, then `B-` and `I-` of each entity type, types sorted."""
    return [OUTSIDE] + [f"{prefix}-{label}" for label in sorted(labels) for prefix in "BI"]


def softmax(logits: Floats) -> Floats:
    """Return the softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def sigmoid(logits: Floats) -> Floats:
    """Return the logistic function of each logit."""
    # The branch by sign keeps exp from overflowing.
    decayed = np.exp(-np.abs(logits))
    result: Floats = np.where(logits >= 0, 1 / (1 + decayed), decayed / (1 + decayed))
    return result


@dataclass(frozen=True, slots=True)
class Transitions:
    """The scores of a linear-chain CRF: first tag (T), last tag (T), and tag to tag (T x T, from row to column)."""

    start: Floats
    end: Floats
    between: Floats

    def best_path(self, emissions: Floats) -> npt.NDArray[np.int64]:
        """Return the best tags of one row by the Viterbi algorithm.

        Args:
            emissions: words x T, at least one word.

        Returns:
            The index of the tag per word.
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


def spans(tags: Sequence[str], words: Sequence[Word]) -> list[Entity]:
    """Convert the BIO tags of words to entities in character offsets.

    An `I-` tag after `O` or after another type starts a new entity, as in the default mode of seqeval.
    """
    entities: list[Entity] = []
    open_label, start, end = None, 0, 0
    for tag, word in zip(tags, words, strict=True):
        prefix, _, label = tag.partition("-")
        if open_label is not None and (prefix != "I" or label != open_label):
            entities.append(Entity(start, end, open_label))
            open_label = None
        if prefix != OUTSIDE and open_label is None:
            open_label, start = label, word.start
        end = word.end
    if open_label is not None:
        entities.append(Entity(start, end, open_label))
    return entities


def tag_words(entities: Sequence[Entity], words: Sequence[Word]) -> list[str]:
    """Convert entities to one BIO tag per word: the inverse of `spans` if entities do not overlap.

    A word belongs to the first entity that it shares a character with.
    """
    tags = [OUTSIDE] * len(words)
    previous: Entity | None = None
    for index, entity in enumerate(_owners(sorted(entities), words)):
        if entity is not None:
            tags[index] = f"{'I' if entity is previous else 'B'}-{entity.label}"
        previous = entity
    return tags


def _owners(ordered: Sequence[Entity], words: Sequence[Word]) -> Iterator[Entity | None]:
    """Yield the entity of each word, the first that it shares a character with, or None."""
    position = 0
    for word in words:
        while position < len(ordered) and ordered[position].end <= word.start:
            position += 1
        meets = position < len(ordered) and ordered[position].start < word.end
        yield ordered[position] if meets else None


def align_to_words(text: str, entities: Sequence[Entity], words: Sequence[Word]) -> tuple[Entity, ...]:
    """Align entities to whole words, as BIO tags represent them: from the first to the last word that they own.

    Training learns these entities, so scores compare predictions with them. If two entities share a word, the first one
    owns it, and an entity without any word is dropped. Unchanged are:

    - an edge in a word that holds white space, which is several words that the tokenizer cannot separate;
    - an edge after the end of the text that was read;
    - an entity that overlaps an earlier one, except for the words that it cuts.
    """
    if not words:
        return tuple(entities)
    cut_words = _CutWords(text, words)
    ordered = sorted(entities)
    owned = _owned_spans(ordered, words)
    aligned: dict[Entity, None] = {}
    reached = 0
    for entity in ordered:
        if entity.start < reached:
            start, end = cut_words.start(entity.start), cut_words.end(entity.end)
        elif entity in owned:
            start, end = cut_words.aligned_span(owned[entity], entity)
        elif entity.start >= words[-1].end or cut_words.has_edge_in_words(entity):
            start, end = entity.start, entity.end
        else:
            start = end = 0
        reached = max(reached, entity.end)
        if start < end:
            aligned[Entity(start, end, entity.label)] = None
    return tuple(sorted(aligned))


def _owned_spans(ordered: Sequence[Entity], words: Sequence[Word]) -> dict[Entity, tuple[int, int]]:
    owned: dict[Entity, tuple[int, int]] = {}
    for word, entity in zip(words, _owners(ordered, words), strict=True):
        if entity is not None:
            owned[entity] = owned[entity][0] if entity in owned else word.start, word.end
    return owned


class _CutWords:
    """A lookup of the words that an offset cuts."""

    def __init__(self, text: str, words: Sequence[Word]) -> None:
        self._text = text
        self._words = words
        self._starts = [word.start for word in words]
        self._several: dict[Word, bool] = {}

    def start(self, at: int) -> int:
        """Return the start of the word that an offset cuts; the offset itself if it cuts none."""
        word = self._across(at)
        return at if word is None or self._holds_space(word) else word.start

    def end(self, at: int) -> int:
        """Return the end of the word that an offset cuts; the offset itself if it cuts none."""
        word = self._across(at)
        return at if word is None or self._holds_space(word) else word.end

    def has_edge_in_words(self, entity: Entity) -> bool:
        """Return whether an edge of the entity cuts a word that holds white space."""
        cut_words = (self._across(at) for at in (entity.start, entity.end))
        return any(word is not None and self._holds_space(word) for word in cut_words)

    def aligned_span(self, owned: tuple[int, int], entity: Entity) -> tuple[int, int]:
        """Return the span of the words of an entity, except for edges that tags cannot represent."""
        first, last = self._across(entity.start), self._across(entity.end)
        start = entity.start if first is not None and self._holds_space(first) else owned[0]
        several = last is not None and self._holds_space(last)
        return start, entity.end if several or self._is_unread(owned[1], entity.end) else owned[1]

    def _across(self, at: int) -> Word | None:
        position = bisect_left(self._starts, at) - 1
        return self._words[position] if position >= 0 and at < self._words[position].end else None

    def _holds_space(self, word: Word) -> bool:
        if word not in self._several:
            self._several[word] = any(KINDS[self._text[at]] is Kind.SPACE for at in range(word.start, word.end))
        return self._several[word]

    def _is_unread(self, begin: int, end: int) -> bool:
        """Return whether the range holds letters after the last word."""
        text = self._text
        return begin >= self._words[-1].end and any(KINDS[text[at]] >= Kind.LETTER for at in range(begin, end))
