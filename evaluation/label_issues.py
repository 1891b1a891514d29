"""Rows to review: confident errors of the model, and labels that may be wrong."""

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
    """A wrong prediction with high confidence. `text` is shortened."""

    head: Head
    id: str
    text: str
    gold: str
    predicted: str
    confidence: float


class LabelIssue(BaseModel):
    """A row whose class label may be wrong. `self_confidence` is the probability of that class."""

    id: str
    text: str
    gold: str
    suggested: str
    self_confidence: float


def worst_errors(predictions: Sequence[LabelledPrediction], texts: Sequence[str]) -> list[WorstError]:
    """Return the most confident errors of each head; `texts` are the texts of the rows, in the same order."""
    rows = list(zip(predictions, texts, strict=True))
    return [*_most_confident(_sentence_errors(rows)), *_most_confident(_entity_errors(rows))]


def find_label_issues(
    predictions: Sequence[LabelledPrediction], texts: Sequence[str], labels: Sequence[str]
) -> list[LabelIssue]:
    """Find label issues by confident learning (Northcutt et al. 2021): rows off the diagonal of the confident joint.

    A row is confidently of class j if its probability of j reaches the mean probability of j among the rows labelled
    j. A label is an issue if the row is confidently of another class.

    Returns:
        The issues, the least probable label first.
    """
    rows = [
        (prediction, text)
        for prediction, text in zip(predictions, texts, strict=True)
        if prediction.gold in labels and prediction.probabilities
    ]
    if not rows:
        return []
    probabilities = np.array([prediction.probabilities for prediction, _ in rows])
    gold = np.array([labels.index(str(prediction.gold)) for prediction, _ in rows])
    confident = _confident_class(probabilities, gold)
    issues = np.flatnonzero((confident >= 0) & (confident != gold))
    given = probabilities[np.arange(len(rows)), gold]
    return [
        LabelIssue(
            id=rows[row][0].id,
            text=_shorten(rows[row][1]),
            gold=labels[gold[row]],
            suggested=labels[confident[row]],
            self_confidence=float(given[row]),
        )
        for row in issues[np.argsort(given[issues], kind="stable")][:SHOWN]
    ]


def _confident_class(probabilities: Floats, gold: Ints) -> Ints:
    """Return the most probable class whose threshold each row reaches; -1 if it reaches none."""
    classes = probabilities.shape[1]
    # No row can be confidently of a class that no row is labelled with.
    thresholds = [
        probabilities[gold == code, code].mean() if (gold == code).any() else np.inf for code in range(classes)
    ]
    reached = np.where(probabilities >= np.array(thresholds), probabilities, -1.0)
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)


def _sentence_errors(rows: Iterable[tuple[LabelledPrediction, str]]) -> Iterable[WorstError]:
    for prediction, text in rows:
        if prediction.gold is not None and prediction.predicted is not None and prediction.gold != prediction.predicted:
            yield WorstError(
                head="sentence",
                id=prediction.id,
                text=_shorten(text),
                gold=prediction.gold,
                predicted=prediction.predicted,
                confidence=max(prediction.probabilities),
            )


def _entity_errors(rows: Iterable[tuple[LabelledPrediction, str]]) -> Iterable[WorstError]:
    for prediction, text in rows:
        if prediction.gold_entities is None:
            continue
        gold = set(prediction.gold_entities)
        for predicted in prediction.predicted_entities:
            wrong = Entity(predicted.start, predicted.end, predicted.label)
            if wrong not in gold:
                overlapping = [
                    entity for entity in sorted(gold) if entity.start < wrong.end and wrong.start < entity.end
                ]
                yield WorstError(
                    head="tokens",
                    id=prediction.id,
                    text=_shorten(text),
                    gold=", ".join(_describe(entity, text) for entity in overlapping) or "no entity",
                    predicted=_describe(wrong, text),
                    confidence=predicted.score,
                )


def _most_confident(errors: Iterable[WorstError]) -> list[WorstError]:
    return sorted(errors, key=lambda error: -error.confidence)[:SHOWN]


def _describe(entity: Entity, text: str) -> str:
    return f"{entity.label} {_shorten(text[entity.start : entity.end])!r}"


def _shorten(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
