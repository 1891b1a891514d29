"""Measurement of a model in several precisions: F1, changed predictions and speed on validation rows."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence

from assay.corpus.example import Entity, Example
from assay.evaluation.labelled_predictions import LabelledPrediction, row_of, rows_of
from assay.evaluation.latency import measure_latency
from assay.evaluation.spaced_rows import evenly_spaced
from assay.models.scores import entity_scores, label_scores, sentence_scores
from assay.recipes.recipe import Head
from assay.serving.bundle import MeasuredPrecision, Precision
from assay.serving.cpu import available_threads
from assay.serving.engine import Engine, Row

ROUNDS = 3
# Rows of a round fill this many batches per CPU, so that no CPU waits for the last batch of another for long.
BATCHES_PER_CPU = 4
SAMPLE_ROWS = 64
LATENCY_ROWS = 30


def measure_precisions(
    engines: Mapping[Precision, Engine],
    examples: Sequence[Example],
    predictions: Mapping[Precision, Sequence[LabelledPrediction]],
) -> list[MeasuredPrecision]:
    """Measure each precision against float32 on the same rows.

    Args:
        engines: engines of the same weights, float32 among them.
        examples: at least one validation row.
        predictions: the predictions of each precision for these rows, with its own thresholds of labels.
    """
    manifest = engines["fp32"].manifest
    speeds = measure_speeds(engines, _timed_rows(engines, examples))
    latencies = dict(zip(engines, measure_latency(list(engines.values()), examples, LATENCY_ROWS), strict=True))
    f1 = {precision: f1_scores(predictions[precision], manifest.labels, manifest.row_labels) for precision in engines}
    return [
        MeasuredPrecision(
            precision=precision,
            f1={str(head): score for head, score in f1[precision].items()},
            drop={head: round(f1["fp32"][head] - score, 6) for head, score in f1[precision].items()},
            changed=_changed(predictions["fp32"], predictions[precision]),
            rows=len(examples),
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


def f1_scores(
    predictions: Sequence[LabelledPrediction], labels: Sequence[str], row_labels: Sequence[str]
) -> dict[Head, float]:
    """Return macro-F1 of sentence and labels heads and strict entity F1 of the token head.

    Heads without gold labels are left out.

    Args:
        predictions: predictions for labelled rows.
        labels: classes of the model.
        row_labels: labels of the labels head.
    """
    scores: dict[Head, float] = {}
    if classified := rows_of(predictions, "sentence"):
        gold, predicted = [str(row.gold) for row in classified], [row.predicted or "" for row in classified]
        scores["sentence"] = sentence_scores(gold, predicted, labels).macro_f1
    several = rows_of(predictions, "labels")
    if any(row.gold_labels for row in several):
        names = [row.gold_labels or () for row in several]
        scores["labels"] = label_scores(names, [row.applied for row in several], row_labels).macro_f1
    tagged = rows_of(predictions, "tokens")
    if any(row.gold_entities for row in tagged):
        entities = [row.gold_entities or () for row in tagged]
        scores["tokens"] = entity_scores(entities, [sorted(row.predicted_spans) for row in tagged]).overall.f1
    return scores


def _timed_rows(engines: Mapping[Precision, Engine], examples: Sequence[Example]) -> list[Row]:
    """Return evenly spaced rows, repeated if there are too few."""
    engine = engines["fp32"]
    sample = engine.encode([row_of(row, engine.manifest.pair) for row in evenly_spaced(examples, SAMPLE_ROWS)])
    mean_length = sum(map(len, sample)) / len(sample)
    tokens = BATCHES_PER_CPU * available_threads() * max(engine.batch_tokens for engine in engines.values())
    count = math.ceil(tokens / mean_length)
    rows = [row_of(row, engine.manifest.pair) for row in evenly_spaced(examples, count)]
    return (rows * math.ceil(count / len(rows)))[:count]


def _changed(reference: Sequence[LabelledPrediction], predictions: Sequence[LabelledPrediction]) -> float:
    changed = sum(_outcome(first) != _outcome(second) for first, second in zip(reference, predictions, strict=True))
    return round(changed / len(reference), 6)


def _outcome(row: LabelledPrediction) -> tuple[str | None, tuple[str, ...], set[Entity]]:
    return row.predicted, row.applied, row.predicted_spans
