"""Predictions of a bundle for labelled rows: the input of all metrics and of comparisons of two models.

Texts stay in the snapshot; a prediction refers to its row by id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.corpus.example import ENTITY_TYPE, SLICE_PREFIX, Entity, Example
from assay.evaluation.statistics import Outcomes, class_outcomes, entity_outcomes, label_outcomes
from assay.recipes.recipe import Head
from assay.serving.decoding import align_to_words
from assay.serving.engine import Engine, Prediction, Row, ScoredEntity, ScoredLabel

PREDICTIONS = "rows.parquet"
ROWS_PER_CHUNK = 1_000
_SCORED_LABEL_TYPE = pa.struct(
    [pa.field("label", pa.string()), pa.field("score", pa.float64()), pa.field("abstained", pa.bool_())]
)
_SCORED_ENTITY_TYPE = pa.struct([*ENTITY_TYPE, pa.field("score", pa.float64()), pa.field("abstained", pa.bool_())])


@dataclass(frozen=True, slots=True)
class LabelledPrediction:
    """One row: its gold labels, its predictions and its slices.

    `gold` and `predicted` are None without a sentence head. `gold_labels` is None without a labels head, or if the row
    is not labelled; `label_probabilities` are in the order of the bundle's row labels. `gold_entities` is None without
    a token head, or if the source does not label entities; an entity that cuts a word of the tokenizer is widened to
    the whole word, as in training. `probabilities` are in the order of the bundle's labels. Rows with the same
    `cluster` are not independent of each other; an empty cluster marks a row that is independent of all others.
    `label_abstained` is that of the prediction.
    """

    id: str
    gold: str | None
    predicted: str | None
    probabilities: tuple[float, ...]
    gold_entities: tuple[Entity, ...] | None
    predicted_entities: tuple[ScoredEntity, ...]
    characters: int
    truncated: bool
    slices: Mapping[str, str | None]
    cluster: str = ""
    label_abstained: bool = False
    gold_labels: tuple[str, ...] | None = None
    predicted_labels: tuple[ScoredLabel, ...] = ()
    label_probabilities: tuple[float, ...] = ()

    @property
    def abstained(self) -> bool:
        """Return whether the class, a label or an entity is left to a person."""
        parts: tuple[ScoredLabel | ScoredEntity, ...] = (*self.predicted_labels, *self.predicted_entities)
        return self.label_abstained or any(part.abstained for part in parts)

    @property
    def own_cluster(self) -> str:
        """Return the cluster, or a cluster of this row alone."""
        return self.cluster or f"row {self.id}"

    @property
    def applied(self) -> tuple[str, ...]:
        """Return the predicted labels without their probabilities."""
        return tuple(one.label for one in self.predicted_labels)

    @property
    def predicted_spans(self) -> set[Entity]:
        """Return the predicted entities without their scores."""
        return {Entity(entity.start, entity.end, entity.label) for entity in self.predicted_entities}

    @property
    def entity_counts(self) -> tuple[int, int, int]:
        """Return true positives, false positives and false negatives; span and type of an entity must both match."""
        gold, predicted = set(self.gold_entities or ()), self.predicted_spans
        right = len(gold & predicted)
        return right, len(predicted) - right, len(gold) - right


def row_of(example: Example, pair: bool) -> Row:
    """Convert an example to a row of the engine; keep its second text only if the model reads pairs."""
    return Row(example.text, example.text_pair if pair else None)


def predict_rows(
    engine: Engine, examples: Sequence[Example], clusters: Mapping[str, str] | None = None
) -> list[LabelledPrediction]:
    """Predict every example, in order.

    Args:
        engine: engine of the bundle.
        examples: labelled rows.
        clusters: cluster of each row by its id, as the split stores it; None uses the row's group.

    Raises:
        AssayError: a row has no second text although the model reads pairs.
    """
    pair = engine.manifest.pair
    predictions = engine.predict([row_of(example, pair) for example in examples])
    rows = as_tagged(engine, examples)
    names = [example.group or "" if clusters is None else clusters[example.id] for example in examples]
    return [_labelled(engine, *columns) for columns in zip(rows, predictions, names, strict=True)]


def as_tagged(engine: Engine, examples: Sequence[Example]) -> list[Example]:
    """Return the examples with their entities widened to whole words (see `assay.serving.decoding.align_to_words`)."""
    rows = list(examples)
    numbers_with_entities = [number for number, row in enumerate(rows) if row.entities] if engine.tags else []
    for begin in range(0, len(numbers_with_entities), ROWS_PER_CHUNK):
        numbers = numbers_with_entities[begin : begin + ROWS_PER_CHUNK]
        encoded = engine.encode([row_of(rows[number], engine.manifest.pair) for number in numbers])
        for number, text in zip(numbers, encoded, strict=True):
            row, words = rows[number], [word for window in text.windows for word in window.words]
            rows[number] = replace(row, entities=align_to_words(row.text, row.entities or (), words))
    return rows


def rows_of(predictions: Sequence[LabelledPrediction], head: Head) -> list[LabelledPrediction]:
    """Return the rows that have a gold label for the head."""
    if head == "sentence":
        return [prediction for prediction in predictions if prediction.gold is not None]
    if head == "labels":
        return [prediction for prediction in predictions if prediction.gold_labels is not None]
    return [prediction for prediction in predictions if prediction.gold_entities is not None]


def classes_of(*models: Sequence[LabelledPrediction]) -> list[str]:
    """Return every gold and every predicted class of one or several models, sorted."""
    predictions = [prediction for model in models for prediction in model]
    return sorted(
        {label for prediction in predictions for label in (prediction.gold, prediction.predicted) if label is not None}
    )


def row_labels_of(*models: Sequence[LabelledPrediction]) -> list[str]:
    """Return every gold and every predicted row label of one or several models, sorted."""
    predictions = [prediction for model in models for prediction in model]
    return sorted(
        {name for prediction in predictions for name in (*(prediction.gold_labels or ()), *prediction.applied)}
    )


def scored_names(head: Head, *models: Sequence[LabelledPrediction]) -> list[str]:
    """Return the classes, or row labels, that the F1 of a head averages over; empty for the token head."""
    return classes_of(*models) if head == "sentence" else row_labels_of(*models) if head == "labels" else []


def outcomes_of(predictions: Sequence[LabelledPrediction], head: Head, names: Sequence[str] | None = None) -> Outcomes:
    """Return the outcomes that the F1 of a head depends on, for the rows of `rows_of`.

    Args:
        predictions: rows of one model.
        head: sentence and labels (macro-F1) or tokens (strict entity F1).
        names: `scored_names` of both models if two are compared; None uses those of the rows.
    """
    rows = rows_of(predictions, head)
    clusters = [prediction.own_cluster for prediction in rows]
    if head == "tokens":
        return entity_outcomes([prediction.entity_counts for prediction in rows], clusters)
    names = names or scored_names(head, rows)
    if head == "labels":
        return label_outcomes([row.gold_labels or () for row in rows], [row.applied for row in rows], names, clusters)
    gold, predicted = [str(prediction.gold) for prediction in rows], [str(prediction.predicted) for prediction in rows]
    return class_outcomes(gold, predicted, names, clusters)


def write_predictions(predictions: Sequence[LabelledPrediction], path: Path) -> None:
    """Write one Parquet row per prediction, with its true positive, false positive and false negative entities."""
    pq.write_table(
        pa.Table.from_pylist([_record(prediction) for prediction in predictions], _schema(predictions)), path
    )


def read_predictions(path: Path) -> list[LabelledPrediction]:
    """Read the predictions that `write_predictions` wrote."""
    return [_from_record(record) for record in pq.read_table(path).to_pylist()]


def _labelled(engine: Engine, example: Example, prediction: Prediction, cluster: str) -> LabelledPrediction:
    return LabelledPrediction(
        id=example.id,
        gold=example.label if engine.labels else None,
        predicted=prediction.label,
        probabilities=prediction.probabilities,
        gold_entities=example.entities if engine.tags else None,
        predicted_entities=prediction.entities,
        characters=example.characters,
        truncated=prediction.truncated,
        slices=dict(example.slices),
        cluster=cluster,
        label_abstained=prediction.label_abstained,
        gold_labels=example.labels if engine.row_labels else None,
        predicted_labels=prediction.labels,
        label_probabilities=prediction.label_probabilities,
    )


def _schema(predictions: Sequence[LabelledPrediction]) -> pa.Schema:
    slices = sorted({name for prediction in predictions for name in prediction.slices})
    fields = {
        "id": pa.string(),
        "cluster": pa.string(),
        "gold": pa.string(),
        "predicted": pa.string(),
        "probabilities": pa.list_(pa.float64()),
        "label_abstained": pa.bool_(),
        "gold_entities": pa.list_(ENTITY_TYPE),
        "predicted_entities": pa.list_(_SCORED_ENTITY_TYPE),
        "true_positives": pa.int32(),
        "false_positives": pa.int32(),
        "false_negatives": pa.int32(),
        "characters": pa.int32(),
        "truncated": pa.bool_(),
        "gold_labels": pa.list_(pa.string()),
        "predicted_labels": pa.list_(_SCORED_LABEL_TYPE),
        "label_probabilities": pa.list_(pa.float64()),
        **{SLICE_PREFIX + name: pa.string() for name in slices},
    }
    return pa.schema(list(fields.items()))


def _record(prediction: LabelledPrediction) -> dict[str, Any]:
    right, wrong, missed = prediction.entity_counts
    gold = prediction.gold_entities
    return {
        "id": prediction.id,
        "cluster": prediction.cluster,
        "gold": prediction.gold,
        "predicted": prediction.predicted,
        "probabilities": prediction.probabilities,
        "label_abstained": prediction.label_abstained,
        "gold_entities": None if gold is None else [{"start": e.start, "end": e.end, "label": e.label} for e in gold],
        "predicted_entities": [
            {"start": e.start, "end": e.end, "label": e.label, "score": e.score, "abstained": e.abstained}
            for e in prediction.predicted_entities
        ],
        "true_positives": right,
        "false_positives": wrong,
        "false_negatives": missed,
        "characters": prediction.characters,
        "truncated": prediction.truncated,
        "gold_labels": prediction.gold_labels,
        "predicted_labels": [
            {"label": one.label, "score": one.score, "abstained": one.abstained} for one in prediction.predicted_labels
        ],
        "label_probabilities": prediction.label_probabilities,
        **{SLICE_PREFIX + name: value for name, value in prediction.slices.items()},
    }


def _from_record(record: Mapping[str, Any]) -> LabelledPrediction:
    gold, gold_labels = record["gold_entities"], record["gold_labels"]
    return LabelledPrediction(
        id=record["id"],
        gold=record["gold"],
        predicted=record["predicted"],
        probabilities=tuple(record["probabilities"]),
        gold_entities=None if gold is None else tuple(Entity(**entity) for entity in gold),
        predicted_entities=tuple(ScoredEntity(**entity) for entity in record["predicted_entities"]),
        characters=record["characters"],
        truncated=record["truncated"],
        slices={
            name.removeprefix(SLICE_PREFIX): value for name, value in record.items() if name.startswith(SLICE_PREFIX)
        },
        cluster=record["cluster"],
        label_abstained=record["label_abstained"],
        gold_labels=None if gold_labels is None else tuple(gold_labels),
        predicted_labels=tuple(ScoredLabel(**label) for label in record["predicted_labels"]),
        label_probabilities=tuple(record["label_probabilities"]),
    )
