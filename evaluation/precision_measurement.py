"""Measurement of a model in several precisions: F1, changed predictions and speed on validation rows."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence

import numpy as np

from assay.corpus.example import Entity, Example
from assay.evaluation.labelled_predictions import as_tagged, row_of
from assay.evaluation.latency import measure_latency
from assay.evaluation.spaced_rows import evenly_spaced
from assay.models.label_thresholds import applied_labels, choose_thresholds
from assay.models.scores import entity_scores, label_scores, sentence_scores
from assay.recipes.recipe import Head
from assay.serving.bundle import MeasuredPrecision, Precision
from assay.serving.cpu import available_threads
from assay.serving.engine import Engine, Prediction, Row

ROUNDS = 3
# Rows of a round fill this many batches per CPU, so that no CPU waits for the last batch of another for long.
BATCHES_PER_CPU = 4
SAMPLE_ROWS = 64
LATENCY_ROWS = 30


def measure_precisions(engines: Mapping[Precision, Engine], examples: Sequence[Example]) -> list[MeasuredPrecision]:
    """Measure each precision against float32 on the same rows.

    Args:
        engines: engines of the same weights, float32 among them.
        examples: at least one validation row.
    """
    rows = [row_of(example, engines["fp32"].manifest.pair) for example in examples]
    predictions = {precision: engine.predict(rows) for precision, engine in engines.items()}
    speeds = measure_speeds(engines, _timed_rows(engines, examples))
    latencies = dict(zip(engines, measure_latency(list(engines.values()), examples, LATENCY_ROWS), strict=True))
    f1 = {precision: f1_scores(engine, examples, predictions[precision]) for precision, engine in engines.items()}
    return [
        MeasuredPrecision(
            precision=precision,
            f1={str(head): score for head, score in f1[precision].items()},
            drop={head: round(f1["fp32"][head] - score, 6) for head, score in f1[precision].items()},
            changed=_changed(predictions["fp32"], predictions[precision]),
            rows=len(rows),
            rows_per_second=round(speeds[precision], 1),
            row_ms=round(latencies[precision].p50_ms, 2),
        )
        for precision in engines
    ]


def measure_speeds(engines: Mapping[Precision, Engine], rows: Sequence[Row]) -> dict[Precision, float]:
    """Return rows per second, tokenisation included; the engines alternate, since the speed of a machine drifts."""
    seconds: dict[Precision, list[float]] = {precision: [] for precision in engines}
    for number in range(1 + ROUNDS):
        for precision, engine in engines.items():
            begun = time.perf_counter()
            engine.predict(rows)
            if number:  # the first pass of each shape is slow
                seconds[precision].append(time.perf_counter() - begun)
    return {precision: len(rows) / statistics.median(times) for precision, times in seconds.items()}


def f1_scores(engine: Engine, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[Head, float]:
    """Return macro-F1 of sentence and labels heads and strict entity F1 of the token head.

    Heads without gold labels are left out. Labels apply from the thresholds that are best on these rows, since the
    export chooses them for each precision.
    """
    scores: dict[Head, float] = {}
    pairs = list(zip(as_tagged(engine, examples), predictions, strict=True))
    labels = [(row.label, prediction.label or "") for row, prediction in pairs if row.label is not None]
    if engine.labels and labels:
        gold, predicted = zip(*labels, strict=True)
        scores["sentence"] = sentence_scores(gold, predicted, engine.labels).macro_f1
    if engine.row_labels and (several := _label_f1(engine.row_labels, pairs)) is not None:
        scores["labels"] = several
    entities = [(row.entities, entities_of(prediction)) for row, prediction in pairs if row.entities is not None]
    if engine.tags and any(gold for gold, _ in entities):
        scores["tokens"] = entity_scores(*zip(*entities, strict=True)).overall.f1
    return scores


def _label_f1(names: Sequence[str], pairs: Sequence[tuple[Example, Prediction]]) -> float | None:
    labelled = [(row.labels, prediction.label_probabilities) for row, prediction in pairs if row.labels is not None]
    if not any(labels for labels, _ in labelled):
        return None
    probabilities = np.array([row for _, row in labelled])
    gold = np.array([[name in labels for name in names] for labels, _ in labelled])
    applied = applied_labels(probabilities, choose_thresholds(probabilities, gold))
    predicted = [[name for name, applies in zip(names, row, strict=True) if applies] for row in applied]
    return label_scores([labels for labels, _ in labelled], predicted, names).macro_f1


def same_prediction(first: Prediction, second: Prediction) -> bool:
    """Return whether two predictions have the same class, labels and entities."""
    same_classes = first.label == second.label and names_of_labels(first) == names_of_labels(second)
    return same_classes and entities_of(first) == entities_of(second)


def names_of_labels(prediction: Prediction) -> list[str]:
    """Return the labels that apply in a prediction, without their probabilities."""
    return [one.label for one in prediction.labels]


def entities_of(prediction: Prediction) -> list[Entity]:
    """Return the entities of a prediction without their scores."""
    return [Entity(entity.start, entity.end, entity.label) for entity in prediction.entities]


def _timed_rows(engines: Mapping[Precision, Engine], examples: Sequence[Example]) -> list[Row]:
    """Return evenly spaced rows, repeated if there are too few."""
    engine = engines["fp32"]
    sample = engine.encode([row_of(row, engine.manifest.pair) for row in evenly_spaced(examples, SAMPLE_ROWS)])
    mean_length = sum(map(len, sample)) / len(sample)
    tokens = BATCHES_PER_CPU * available_threads() * max(engine.batch_tokens for engine in engines.values())
    count = math.ceil(tokens / mean_length)
    rows = [row_of(row, engine.manifest.pair) for row in evenly_spaced(examples, count)]
    return (rows * math.ceil(count / len(rows)))[:count]


def _changed(reference: Sequence[Prediction], predictions: Sequence[Prediction]) -> float:
    changed = sum(not same_prediction(*pair) for pair in zip(reference, predictions, strict=True))
    return round(changed / len(reference), 6)
