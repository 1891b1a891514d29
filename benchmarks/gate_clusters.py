"""Error rate and power of the gate's comparison on test rows in clusters.

A cluster draws one row result (gold, champion, challenger) for all of its rows; each row uses it with probability
`shared`, and draws its own otherwise. With `shared` 1 the rows of a cluster are copies.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.paired_test import p_value
from assay.evaluation.statistics import Outcomes
from benchmarks.gate_population import Population, make_population
from benchmarks.gate_rows import RowResults, headline_entities, headline_sentiment
from benchmarks.results import Row, show

COMMAND = "make bench-gate"
LEVEL = 0.05
ALLOWED = 0.06
REPLICAS = 599
SIZES = (1, 2, 5, 10, 20)
SHARED = (0.5, 1.0)
ROWS = (500, 1_500, 5_000)
DISAGREEMENT = 0.10
GAIN = 0.03
RUNS = 1_000
SEEDS = 6


@dataclass(frozen=True)
class Cell:
    """A kind of test set."""

    rows: int
    size: int
    shared: float

    def __str__(self) -> str:
        shared = f", {self.shared:.0%} shared" if self.size > 1 else ""
        return f"{self.rows:,} rows in clusters of {self.size}{shared}"


def main() -> None:
    """Simulate one task and print its cells, to try a part of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["sentence", "tokens"])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    task = headline_sentiment(SEEDS) if given.task == "sentence" else headline_entities(SEEDS)
    for cell in cells(given.rows):
        show(cluster_rows(task, [cell], given.runs))


def cells(rows: Sequence[int] = ROWS) -> list[Cell]:
    """Return every kind of test set; rows that are separate clusters share nothing."""
    return [
        Cell(count, size, shared) for count in rows for size in SIZES for shared in SHARED if size > 1 or shared == 1
    ]


def cluster_rows(task: RowResults, kinds: Sequence[Cell], runs: int = RUNS) -> list[Row]:
    """Return the error rate for equal models, and the power for a gain, of each kind of test set."""
    equal, better = (make_population(task, DISAGREEMENT, gain) for gain in (0.0, GAIN))
    assert equal is not None, "there are equal models"
    lines = []
    for cell in kinds:
        errs = promoted(equal, cell, runs)
        note = f"{DISAGREEMENT:.0%} disagreement, {runs:,} test sets: a standard error of {_error(errs, runs):.3f}"
        lines.append(_row(f"{task.name}: equal challengers promoted (improve), {cell}", errs, "lower", note))
        if better is not None:
            shown = promoted(better, cell, runs // 4)
            lines.append(_row(f"{task.name}: power for {GAIN:+.0%}, {cell}", shown, "higher"))
    return lines


def promoted(population: Population, cell: Cell, runs: int) -> float:
    """Return the share of test sets on which the challenger is promoted with `improve: true`."""
    samples = clustered(population, cell, runs)
    return float(np.mean([p_value(*models, replicas=REPLICAS) <= LEVEL for models in samples]))


def clustered(population: Population, cell: Cell, runs: int) -> Iterator[tuple[Outcomes, Outcomes]]:
    """Draw test sets of this kind: outcomes of challenger and champion."""
    random = np.random.default_rng([cell.rows, cell.size, round(10 * cell.shared)])
    clusters = cell.rows // cell.size
    width = population.codes.shape[1] // 2
    numbers = np.repeat(np.arange(clusters), cell.size) if cell.size > 1 else None
    for _ in range(runs):
        common = np.repeat(random.choice(len(population.share), clusters, p=population.share), cell.size)
        own = random.choice(len(population.share), len(common), p=population.share)
        codes = population.codes[np.where(random.random(len(common)) < cell.shared, common, own)]
        yield (
            Outcomes(codes[:, :width], population.classes, numbers),
            Outcomes(codes[:, width:], population.classes, numbers),
        )


def _error(share: float, runs: int) -> float:
    return float(np.sqrt(max(share, 1 / runs) * (1 - share) / runs))


def _row(measure: str, value: float, better: str, note: str = "") -> Row:
    return Row(
        measure=measure,
        value=round(value, 4),
        better="lower" if better == "lower" else "higher",
        required=ALLOWED if better == "lower" else None,
        command=COMMAND,
        note=note,
    )


if __name__ == "__main__":
    main()
