"""Sensitivity of predictions to the other rows in a batch.

An int8 graph quantises activations with one scale per batch, so that the other rows and the padding change the logits
of a row slightly (dynamic quantisation; see docs/speed.md). A float32 graph has no such scale.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from assay.corpus.example import Example
from assay.evaluation.labelled_predictions import row_of
from assay.evaluation.spaced_rows import evenly_spaced
from assay.serving.encoding import EncodedText
from assay.serving.engine import Engine, Prediction

ROWS = 1_000
ROUNDS = 3
SEED = 0

Spans = frozenset[tuple[int, int, str]]


@dataclass(frozen=True)
class Sensitivity:
    """Shares of labels, label sets and entities that change when rows share a batch, over all rounds.

    The reference is the prediction of each row alone. An entity differs if only one of the two predictions has it; its
    share is a share of the entities of both. `probability` is the largest difference of the probability of a class or
    row label.
    """

    rows: int
    labels: float
    entities: float
    probability: float
    label_sets: float = 0.0


def measure_sensitivity(
    engine: Engine, examples: Sequence[Example], rows: int = ROWS, rounds: int = ROUNDS, seed: int = SEED
) -> Sensitivity:
    """Predict rows alone and in random batches.

    Args:
        engine: engine of the bundle.
        examples: at least one row.
        rows: maximum number of rows, evenly spaced over the examples.
        rounds: number of random divisions into batches.
        seed: seed of the draws, so that a verdict can be reproduced.
    """
    chosen = evenly_spaced(examples, rows)
    items = engine.encode([row_of(example, engine.manifest.pair) for example in chosen])
    alone = [engine.predict_batch([item])[0] for item in items]
    draws = np.random.default_rng(seed)
    pairs = [
        (alone[index], prediction)
        for _ in range(rounds)
        for batch in _batches(items, draws.permutation(len(items)).tolist(), engine.batch_tokens)
        for index, prediction in zip(batch, engine.predict_batch([items[index] for index in batch]), strict=True)
    ]
    union = sum(len(_spans(first) | _spans(second)) for first, second in pairs)
    changed = sum(len(_spans(first) ^ _spans(second)) for first, second in pairs)
    return Sensitivity(
        rows=len(chosen),
        labels=sum(first.label != second.label for first, second in pairs) / len(pairs),
        entities=changed / union if union else 0.0,
        label_sets=sum(_applied(first) != _applied(second) for first, second in pairs) / len(pairs),
        probability=max(chain([0.0], *(_differences(first, second) for first, second in pairs))),
    )


def _batches(items: Sequence[EncodedText], order: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield row numbers in this order, in batches of at most `budget` tokens, padding included."""
    batch: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, len(items[index]))
        if batch and (len(batch) + 1) * longest > budget:
            yield batch
            batch, longest = [], len(items[index])
        batch.append(index)
    if batch:
        yield batch


def _spans(prediction: Prediction) -> Spans:
    return frozenset((entity.start, entity.end, entity.label) for entity in prediction.entities)


def _applied(prediction: Prediction) -> list[str]:
    return [one.label for one in prediction.labels]


def _differences(first: Prediction, second: Prediction) -> Iterator[float]:
    of_first, of_second = (
        (*prediction.probabilities, *prediction.label_probabilities) for prediction in (first, second)
    )
    probabilities = zip(of_first, of_second, strict=True)
    return (abs(alone - together) for alone, together in probabilities)
