"""Confident errors of a model, for people to review."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel

from assay.corpus.example import Entity
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.labels.label_issue import shorten
from assay.recipes.recipe import Head

SHOWN = 25
NO_LABEL = "no label"


class WorstError(BaseModel):
    """A wrong prediction with high confidence. `text` is shortened."""

    head: Head
    id: str
    text: str
    gold: str
    predicted: str
    confidence: float


def worst_errors(predictions: Sequence[LabelledPrediction], texts: Sequence[str]) -> list[WorstError]:
    """Return the most confident errors of each head; `texts` are the texts of the rows, in the same order."""
    rows = list(zip(predictions, texts, strict=True))
    return [
        *_most_confident(_sentence_errors(rows)),
        *_most_confident(_label_errors(rows)),
        *_most_confident(_entity_errors(rows)),
    ]


def _sentence_errors(rows: Iterable[tuple[LabelledPrediction, str]]) -> Iterable[WorstError]:
    for prediction, text in rows:
        if prediction.gold is not None and prediction.predicted is not None and prediction.gold != prediction.predicted:
            yield WorstError(
                head="sentence",
                id=prediction.id,
                text=shorten(text),
                gold=prediction.gold,
                predicted=prediction.predicted,
                confidence=max(prediction.probabilities),
            )


def _label_errors(rows: Iterable[tuple[LabelledPrediction, str]]) -> Iterable[WorstError]:
    """Yield the rows with labels that do not apply; the confidence is that of the most probable of them."""
    for prediction, text in rows:
        if prediction.gold_labels is None:
            continue
        wrong = [one.score for one in prediction.predicted_labels if one.label not in prediction.gold_labels]
        if wrong:
            yield WorstError(
                head="labels",
                id=prediction.id,
                text=shorten(text),
                gold=", ".join(prediction.gold_labels) or NO_LABEL,
                predicted=", ".join(prediction.applied),
                confidence=max(wrong),
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
                    text=shorten(text),
                    gold=", ".join(_describe(entity, text) for entity in overlapping) or "no entity",
                    predicted=_describe(wrong, text),
                    confidence=predicted.score,
                )


def _most_confident(errors: Iterable[WorstError]) -> list[WorstError]:
    return sorted(errors, key=lambda error: -error.confidence)[:SHOWN]


def _describe(entity: Entity, text: str) -> str:
    return f"{entity.label} {shorten(text[entity.start : entity.end])!r}"
