"""Entities that are probably labelled wrongly, found by the probabilities of the tags of their words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assay.corpus.entity import Entity
from assay.evaluation.labels.label_issue import IssueKind, LabelIssue, described
from assay.serving.decoding import Floats, tag_words
from assay.serving.words import Word


@dataclass(frozen=True)
class _Conflict:
    """Given and predicted entities that overlap each other, directly or through others, and differ."""

    given: list[Entity]
    predicted: list[Entity]

    @property
    def start(self) -> int:
        return min(entity.start for entity in (*self.given, *self.predicted))

    @property
    def end(self) -> int:
        return max(entity.end for entity in (*self.given, *self.predicted))

    @property
    def kind(self) -> IssueKind:
        if not self.given:
            return "missed entity"
        if not self.predicted:
            return "extra entity"
        if _spans(self.given) == _spans(self.predicted):
            return "wrong type"
        return "wrong boundary"


def find_entity_issues(
    text: str,
    given: Sequence[Entity],
    predicted: Sequence[Entity],
    words: Sequence[Word],
    tag_probabilities: Floats,
    tags: Sequence[str],
) -> list[LabelIssue]:
    """Return an issue per place where the entities of a row differ from those of the model.

    An issue is about whole entities and not about words, since those are what a person corrects. Its score is that of
    its least probable word, among the words whose tags differ.

    Args:
        text: text of the row.
        given: its entities, of whole words.
        predicted: entities that a model predicts which has not learned from the row.
        words: words of the tokenizer.
        tag_probabilities: words x tags.
        tags: BIO tags, in the order of the columns.
    """
    doubts = _doubts(given, predicted, words, tag_probabilities, tags)
    return [
        LabelIssue(
            kind=conflict.kind,
            given=described(text, conflict.given),
            proposed=described(text, conflict.predicted),
            score=score,
            start=conflict.start,
            end=conflict.end,
        )
        for conflict in _conflicts(given, predicted)
        if (score := _score(conflict, words, doubts)) > 0
    ]


def resolved(given: Sequence[Entity], predicted: Sequence[Entity], issues: Sequence[LabelIssue]) -> tuple[Entity, ...]:
    """Return the given entities with those of the model in the places of the issues."""
    places = [(issue.start, issue.end) for issue in issues if issue.start is not None and issue.end is not None]

    def in_issue(entity: Entity) -> bool:
        return any(entity.start < end and start < entity.end for start, end in places)

    kept = [entity for entity in given if not in_issue(entity)]
    return tuple(sorted(kept + [entity for entity in predicted if in_issue(entity)]))


def _conflicts(given: Sequence[Entity], predicted: Sequence[Entity]) -> Iterator[_Conflict]:
    """Yield the groups of differing entities that overlap, in the order of the text."""
    agreed = set(given) & set(predicted)
    marked = [(entity, True) for entity in given if entity not in agreed]
    marked += [(entity, False) for entity in predicted if entity not in agreed]
    group, end = _Conflict([], []), 0
    for entity, is_given in sorted(marked):
        if entity.start >= end and (group.given or group.predicted):
            yield group
            group = _Conflict([], [])
        (group.given if is_given else group.predicted).append(entity)
        end = max(end, entity.end)
    if group.given or group.predicted:
        yield group


def _doubts(
    given: Sequence[Entity],
    predicted: Sequence[Entity],
    words: Sequence[Word],
    probabilities: Floats,
    tags: Sequence[str],
) -> Floats:
    """Return the probability that the given tag of each word is wrong; 0 where the model has the same tag."""
    code = {tag: number for number, tag in enumerate(tags)}
    pairs = zip(tag_words(given, words), tag_words(predicted, words), strict=True)
    doubts = [
        # A type that the model does not know has no probability.
        0.0 if tag == predicted_tag else 1.0 - (probabilities[place, code[tag]] if tag in code else 0.0)
        for place, (tag, predicted_tag) in enumerate(pairs)
    ]
    return np.array(doubts, dtype=np.float32)


def _score(conflict: _Conflict, words: Sequence[Word], doubts: Floats) -> float:
    inside = [conflict.start < word.end and word.start < conflict.end for word in words]
    return float(doubts[np.array(inside, dtype=bool)].max(initial=0.0)) if len(doubts) else 0.0


def _spans(entities: Sequence[Entity]) -> list[tuple[int, int]]:
    return sorted((entity.start, entity.end) for entity in entities)
