"""Latency of single rows on the current machine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.corpus.example import Example
from assay.evaluation.labelled_predictions import row_of
from assay.evaluation.spaced_rows import evenly_spaced
from assay.serving.engine import Engine

ROWS = 100
WARM_UP = 5


@dataclass(frozen=True)
class Latency:
    """Median and 95th percentile of the time per single row in milliseconds, tokenisation included."""

    p50_ms: float
    p95_ms: float


def measure_latency(engines: Sequence[Engine], examples: Sequence[Example], rows: int = ROWS) -> list[Latency]:
    """Time single rows, evenly spaced over the examples; the engines alternate on each row.

    The engines alternate because the speed of a machine drifts, and timings taken one after the other would not be
    comparable.
    """
    chosen = evenly_spaced(examples, rows)
    seconds: list[list[float]] = [[] for _ in engines]
    for example in [*chosen[:WARM_UP], *chosen]:
        for times, engine in zip(seconds, engines, strict=True):
            times.append(_time_row(engine, example))
    return [_latency(times[min(WARM_UP, len(chosen)) :]) for times in seconds]


def _time_row(engine: Engine, example: Example) -> float:
    row = row_of(example, engine.manifest.pair)
    begun = time.perf_counter()
    engine.predict([row])
    return time.perf_counter() - begun


def _latency(seconds: Sequence[float]) -> Latency:
    p50, p95 = np.quantile(np.array(seconds) * 1000, [0.5, 0.95])
    return Latency(float(p50), float(p95))
