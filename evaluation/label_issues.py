"""The rows a person should look at: confident mistakes of the model, and labels that may be wrong."""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel

from assay.corpus.example import Entity
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.statistics import Floats, Ints
from assay.recipes.recipe import Head

SHOWN = 25
CHARACTERS = 160


class WorstError(BaseModel):
    """A wrong answer that the model was sure of. `text` is shortened."""

    head: Head
    id: str
    text: str
    gold: str
    predicted: str
    confidence: float


class LabelIssue(BaseModel):
    """A row whose class may be labelled wrongly. `self_confidence` is the probability of the given class."""

    id: str
    text: str
    gold: str
    suggested: str
    self_confidence: float


def worst_errors(answers: Sequence[LabelledPrediction], texts: Sequence[str]) -> list[WorstError]:
    """The most confident mistakes of each head; `texts` are those of the rows, in the same order."""
    rows = list(zip(answers, texts, strict=True))
    return [*_most_confident(_sentence_errors(rows)), *_most_confident(_entity_errors(rows))]


def find_label_issues(
    answers: Sequence[LabelledPrediction], texts: Sequence[str], labels: Sequence[str]
) -> list[LabelIssue]:
    """Confident learning (Northcutt et al. 2021): rows off the diagonal of the confident joint.

    A row counts as confidently of class j when its probability of j reaches the mean probability of j among
    the rows that are labelled j. Suspected is a row that is confidently of another class than its label, least
    probable label first.
    """
    rows = [
        (answer, text)
        for answer, text in zip(answers, texts, strict=True)
        if answer.gold in labels and answer.probabilities
    ]
    if not rows:
        return []
    probabilities = np.array([answer.probabilities for answer, _ in rows])
    gold = np.array([labels.index(str(answer.gold)) for answer, _ in rows])
    confident = _confident_class(probabilities, gold)
    suspected = np.flatnonzero((confident >= 0) & (confident != gold))
    own = probabilities[np.arange(len(rows)), gold]
    return [
        LabelIssue(
            id=rows[row][0].id,
            text=_shorten(rows[row][1]),
            gold=labels[gold[row]],
            suggested=labels[confident[row]],
            self_confidence=float(own[row]),
        )
        for row in suspected[np.argsort(own[suspected], kind="stable")][:SHOWN]
    ]


def _confident_class(probabilities: Floats, gold: Ints) -> Ints:
    """Most probable class of those whose threshold the row reaches; -1 where it reaches none."""
    classes = probabilities.shape[1]
    # A class that no row is labelled with has no threshold, and no row is confidently of it.
    thresholds = [probabilities[gold == one, one].mean() if (gold == one).any() else np.inf for one in range(classes)]
    reached = np.where(probabilities >= np.array(thresholds), probabilities, -1.0)
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)


def _sentence_errors(rows: Iterable[tuple[LabelledPrediction, str]]) -> Iterable[WorstError]:
    for answer, text in rows:
        if answer.gold is not None and answer.predicted is not None and answer.gold != answer.predicted:
            yield WorstError(
                head="sentence",
                id=answer.id,
                text=_shorten(text),
                gold=answer.gold,
                predicted=answer.predicted,
                confidence=max(answer.probabilities),
            )


def _entity_errors(rows: Iterable[tuple[LabelledPrediction, str]]) -> Iterable[WorstError]:
    for answer, text in rows:
        if answer.gold_entities is None:
            continue
        gold = set(answer.gold_entities)
        for found in answer.predicted_entities:
            entity = Entity(found.start, found.end, found.label)
            if entity not in gold:
                overlapping = [one for one in sorted(gold) if one.start < entity.end and entity.start < one.end]
                yield WorstError(
                    head="tokens",
                    id=answer.id,
                    text=_shorten(text),
                    gold=", ".join(_describe(one, text) for one in overlapping) or "no entity",
                    predicted=_describe(entity, text),
                    confidence=found.score,
                )


def _most_confident(mistakes: Iterable[WorstError]) -> list[WorstError]:
    return sorted(mistakes, key=lambda mistake: -mistake.confidence)[:SHOWN]


def _describe(entity: Entity, text: str) -> str:
    return f"{entity.label} {_shorten(text[entity.start : entity.end])!r}"


def _shorten(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
