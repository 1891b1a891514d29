"""Predictions of rows that a model was not trained on, down to the probability of each word's tag."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assay.corpus.entity import Entity
from assay.corpus.example import Example
from assay.corpus.splits import SplitName
from assay.evaluation.labelled_predictions import LabelledPrediction, as_tagged, row_of
from assay.serving.decoding import Floats, softmax
from assay.serving.encoding import EncodedText, Word
from assay.serving.engine import Engine, Prediction

ROWS_PER_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class HeldOutRow:
    """A row with its labels, and what a model that has not learned from it predicts.

    `aligned` are the entities of the example, widened to whole words. `tag_probabilities` (words x tags) are those of
    the words; without a token head there are none of both.
    """

    example: Example
    prediction: Prediction
    split: SplitName | None = None
    aligned: tuple[Entity, ...] = ()
    words: Sequence[Word] = ()
    tag_probabilities: Floats = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    @property
    def predicted_spans(self) -> tuple[Entity, ...]:
        """Return the predicted entities without their scores."""
        return tuple(Entity(entity.start, entity.end, entity.label) for entity in self.prediction.entities)


def predict_held_out(
    engine: Engine,
    examples: Sequence[Example],
    split: SplitName | None = None,
    predictions: Sequence[LabelledPrediction] | None = None,
) -> Iterator[HeldOutRow]:
    """Yield the rows of a split with their predictions, in order.

    Args:
        engine: engine of the model.
        examples: the rows.
        split: their split.
        predictions: what the model predicts for them, if that is known.

    Raises:
        AssayError: a row has no second text although the model reads pairs.
    """
    for begin in range(0, len(examples), ROWS_PER_CHUNK):
        rows = examples[begin : begin + ROWS_PER_CHUNK]
        inputs = [row_of(row, engine.manifest.pair) for row in rows]
        known = None if predictions is None else predictions[begin : begin + ROWS_PER_CHUNK]
        predicted = engine.predict(inputs) if known is None else [_prediction(one) for one in known]
        held_out = [
            HeldOutRow(row, prediction, split, aligned.entities or ())
            for row, aligned, prediction in zip(rows, as_tagged(engine, rows), predicted, strict=True)
        ]
        if not engine.tags:
            yield from held_out
            continue
        encoded = engine.encode(inputs)
        for row, text, probabilities in zip(held_out, encoded, _tag_probabilities(engine, encoded), strict=True):
            words = [word for window in text.windows for word in window.words]
            yield replace(row, words=words, tag_probabilities=probabilities)


def _prediction(known: LabelledPrediction) -> Prediction:
    return Prediction(
        known.predicted,
        known.probabilities,
        known.predicted_entities,
        known.truncated,
        labels=known.predicted_labels,
        label_probabilities=known.label_probabilities,
    )


def _tag_probabilities(engine: Engine, rows: Sequence[EncodedText]) -> list[Floats]:
    """Return the probabilities of the tags of every row (words x tags)."""
    windows = [(row, window) for row, text in enumerate(rows) for window in text.windows]
    order = sorted(range(len(windows)), key=lambda index: len(windows[index][1].ids))
    found: dict[int, Floats] = {}
    while order:
        longest = len(windows[order[-1]][1].ids)
        batch = [order.pop() for _ in range(min(len(order), max(1, engine.batch_tokens // longest)))]
        logits = engine.logits([windows[index][1] for index in batch])["tokens"]
        for values, index in zip(logits, batch, strict=True):
            found[index] = softmax(values[[word.token for word in windows[index][1].words]])
    parts: list[list[Floats]] = [[] for _ in rows]
    for index, (row, _) in enumerate(windows):
        parts[row].append(found[index])
    return [np.concatenate(part) for part in parts]
