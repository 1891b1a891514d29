"""What a bundle answered to labelled rows: enough to compute every figure, and to compare two models later.

Texts stay in the snapshot; an answer refers to its row by the id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.corpus.example import ENTITY_TYPE, SLICE_PREFIX, Entity, Example
from assay.evaluation.statistics import Outcomes, class_outcomes, entity_outcomes
from assay.recipes.recipe import Head
from assay.serving.decoding import widened
from assay.serving.engine import Engine, Prediction, Row, ScoredEntity

PREDICTIONS = "rows.parquet"
ROWS_A_CHUNK = 1_000
_SCORED_ENTITY_TYPE = pa.struct([*ENTITY_TYPE, pa.field("score", pa.float64())])


@dataclass(frozen=True, slots=True)
class LabelledPrediction:
    """One row: what is right, what the model said, and the slices the row belongs to.

    `gold` and `predicted` are None without a sentence head; `gold_entities` is None without a token head or
    where the source has none to give; an entity that cuts a word of the tokenizer is the whole word, as in training.
    `probabilities` are in the order of the bundle's labels.
    `cluster` names the rows that are not independent of this one; without a name the row is independent of all others.
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

    @property
    def own_cluster(self) -> str:
        """The cluster, or one of this row alone."""
        return self.cluster or f"row {self.id}"

    @property
    def found(self) -> set[Entity]:
        """The predicted entities without their scores."""
        return {Entity(entity.start, entity.end, entity.label) for entity in self.predicted_entities}

    @property
    def entity_counts(self) -> tuple[int, int, int]:
        """True positives, false positives and false negatives: an entity is right if span and type are."""
        gold, found = set(self.gold_entities or ()), self.found
        right = len(gold & found)
        return right, len(found) - right, len(gold) - right


def row_of(example: Example, pair: bool) -> Row:
    """An example as the engine takes it: its second text only where the model reads pairs."""
    return Row(example.text, example.text_pair if pair else None)


def predict_rows(
    engine: Engine, examples: Sequence[Example], clusters: Mapping[str, str] | None = None
) -> list[LabelledPrediction]:
    """Put every example to the engine, in order.

    Args:
        engine: with the bundle.
        examples: labelled rows.
        clusters: the cluster of each row by its id, as the split stores it; None takes the row's group.

    Raises:
        AssayError: a row has no second text though the model reads pairs.
    """
    pair = engine.manifest.pair
    predictions = engine.predict([row_of(example, pair) for example in examples])
    rows = as_tagged(engine, examples)
    names = [example.group or "" if clusters is None else clusters[example.id] for example in examples]
    return [_answer(engine, *row) for row in zip(rows, predictions, names, strict=True)]


def as_tagged(engine: Engine, examples: Sequence[Example]) -> list[Example]:
    """Return the examples with the entities that tags of the engine can say (`assay.serving.decoding.widened`)."""
    rows = list(examples)
    marked = [number for number, row in enumerate(rows) if row.entities] if engine.tags else []
    for begin in range(0, len(marked), ROWS_A_CHUNK):
        numbers = marked[begin : begin + ROWS_A_CHUNK]
        encoded = engine.encode([row_of(rows[number], engine.manifest.pair) for number in numbers])
        for number, text in zip(numbers, encoded, strict=True):
            row, units = rows[number], [unit for window in text.windows for unit in window.units]
            rows[number] = replace(row, entities=widened(row.text, row.entities or (), units))
    return rows


def rows_of(answers: Sequence[LabelledPrediction], head: Head) -> list[LabelledPrediction]:
    """The rows that say what the head should have answered."""
    if head == "sentence":
        return [answer for answer in answers if answer.gold is not None]
    return [answer for answer in answers if answer.gold_entities is not None]


def classes_of(*models: Sequence[LabelledPrediction]) -> list[str]:
    """Every class that is right for a row or was answered, sorted."""
    answers = [answer for model in models for answer in model]
    return sorted({label for answer in answers for label in (answer.gold, answer.predicted) if label is not None})


def outcomes_of(answers: Sequence[LabelledPrediction], head: Head, classes: Sequence[str] | None = None) -> Outcomes:
    """What the F1 of a head depends on, for the rows of `rows_of`.

    Args:
        answers: rows of one model.
        head: sentence (macro-F1) or tokens (strict entity F1).
        classes: to compare two models, the classes of both.
    """
    rows = rows_of(answers, head)
    clusters = [answer.own_cluster for answer in rows]
    if head == "tokens":
        return entity_outcomes([answer.entity_counts for answer in rows], clusters)
    gold, predicted = [str(answer.gold) for answer in rows], [str(answer.predicted) for answer in rows]
    return class_outcomes(gold, predicted, classes or classes_of(rows), clusters)


def write_predictions(answers: Sequence[LabelledPrediction], path: Path) -> None:
    """Write Parquet, one line a row, with true and false positives and false negatives of its entities."""
    pq.write_table(pa.Table.from_pylist([_record(answer) for answer in answers], _schema(answers)), path)


def read_predictions(path: Path) -> list[LabelledPrediction]:
    """The inverse of `write_predictions`."""
    return [_from_record(record) for record in pq.read_table(path).to_pylist()]


def _answer(engine: Engine, example: Example, prediction: Prediction, cluster: str) -> LabelledPrediction:
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
    )


def _schema(answers: Sequence[LabelledPrediction]) -> pa.Schema:
    slices = sorted({name for answer in answers for name in answer.slices})
    fields = {
        "id": pa.string(),
        "cluster": pa.string(),
        "gold": pa.string(),
        "predicted": pa.string(),
        "probabilities": pa.list_(pa.float64()),
        "gold_entities": pa.list_(ENTITY_TYPE),
        "predicted_entities": pa.list_(_SCORED_ENTITY_TYPE),
        "true_positives": pa.int32(),
        "false_positives": pa.int32(),
        "false_negatives": pa.int32(),
        "characters": pa.int32(),
        "truncated": pa.bool_(),
        **{SLICE_PREFIX + name: pa.string() for name in slices},
    }
    return pa.schema(list(fields.items()))


def _record(answer: LabelledPrediction) -> dict[str, Any]:
    right, wrong, missed = answer.entity_counts
    gold = answer.gold_entities
    return {
        "id": answer.id,
        "cluster": answer.cluster,
        "gold": answer.gold,
        "predicted": answer.predicted,
        "probabilities": answer.probabilities,
        "gold_entities": None if gold is None else [{"start": e.start, "end": e.end, "label": e.label} for e in gold],
        "predicted_entities": [
            {"start": e.start, "end": e.end, "label": e.label, "score": e.score} for e in answer.predicted_entities
        ],
        "true_positives": right,
        "false_positives": wrong,
        "false_negatives": missed,
        "characters": answer.characters,
        "truncated": answer.truncated,
        **{SLICE_PREFIX + name: value for name, value in answer.slices.items()},
    }


def _from_record(record: Mapping[str, Any]) -> LabelledPrediction:
    gold = record["gold_entities"]
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
    )
