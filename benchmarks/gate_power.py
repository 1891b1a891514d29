"""Power and error rate of the gate (`make bench-gate`): the comparison with the champion, and rules about one model.

The gate's own test decides on test sets drawn from the row results of real models of several seeds.
"""

import argparse
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np

from assay.evaluation.statistics import Floats
from benchmarks.gate_clusters import RUNS, cells, cluster_rows
from benchmarks.gate_plots import draw_challengers, draw_power
from benchmarks.gate_population import make_population
from benchmarks.gate_rows import (
    DATA,
    RowResults,
    headline_entities,
    headline_sentiment,
    request_intents,
    tweet_sentiment,
)
from benchmarks.gate_rule_errors import RUNS as RULE_RUNS
from benchmarks.gate_rule_errors import rule_rows
from benchmarks.gate_simulation import CHALLENGERS, chances_of_challengers, grid, promoted, with_retriggers
from benchmarks.results import RESULTS, Row, show, write_rows

COMMAND = "make bench-gate"
SEEDS = 6
ROWS = (500, 1_000, 2_000, 5_000, 10_000)
DISAGREEMENTS = (0.02, 0.05, 0.10, 0.15)
CELLS = [(rows, disagreement) for rows in ROWS for disagreement in DISAGREEMENTS]
CORNERS = [(rows, disagreement) for rows in (500, 2_000) for disagreement in (0.02, 0.10)]
GAINS = (0.01, 0.02, 0.03)
MARGIN = 0.01
UNLIKE = 0.8


def main() -> None:
    """Simulate, record the rows, draw the plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations; nothing is recorded")
    quick = parser.parse_args().quick
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is absent: this benchmark reads real data sets from there")
    share = 0.1 if quick else 1.0
    tasks = [request_intents(SEEDS), headline_sentiment(SEEDS), tweet_sentiment(SEEDS), headline_entities(SEEDS)]
    if not quick:
        (RESULTS / "gate.jsonl").unlink(missing_ok=True)  # all of its rows are measured again
    for task in tasks:
        record([*deviations(task), *errors(task, share), *powers(task, share)], quick)
    for task in (tasks[1], tasks[3]):  # macro-F1 over unequal classes, and entity F1
        record(cluster_rows(task, cells(), int(RUNS * share)), quick)
    record(list(rule_rows(int(RULE_RUNS * share))), quick)
    chances = chances_of_challengers(tasks[2], 1_000, int(150 * share))
    record(challenger_rows(chances), quick)
    powers_of = {task.name: power_cells(task, int(60 * share)) for task in tasks}
    if not quick:
        draw_power(powers_of, ROWS, DISAGREEMENTS)
        draw_challengers(chances)


def record(rows: Sequence[Row], quick: bool) -> None:
    """Record the rows, or only print them."""
    if quick:
        show(rows)
    else:
        write_rows("gate", rows)


def errors(task: RowResults, share: float) -> list[Row]:
    """Return the error rates of the gate."""
    equal = grid(task, CELLS, gain=0.0, threshold=0.0, runs=int(200 * share))
    worse = grid(task, CORNERS, gain=-MARGIN, threshold=-MARGIN, runs=int(1_000 * share))
    again = with_retriggers(task, 1_000, int(2_000 * share))
    where = f"500 to 10,000 rows, 2 to 15 % disagreement, {int(200 * share)} test sets in each of {len(equal)} cells"
    lines = [
        error_row(f"{task.name}: equal challengers promoted (improve)", equal, where),
        error_row(
            f"{task.name}: equal challengers promoted after up to two retriggers",
            [again],
            "1,000 rows, 2,000 times: a standard error of 0.005",
        ),
        error_row(f"{task.name}: challengers worse by the margin promoted", worse, "500, 2,000 rows, 2, 10 %"),
    ]
    if task.models[0].classes is not None:
        unlike = [
            value
            for sign in (-UNLIKE, UNLIKE)
            for value in grid(task, CORNERS, gain=0.0, threshold=0.0, runs=int(300 * share), unlike=sign)
        ]
        measure = f"{task.name}: challengers of equal F1, better on one class and worse on the rest, promoted"
        where = "500, 2,000 rows, 2, 10 %. The hardest cell is 500 rows of which ten disagree"
        lines.append(error_row(measure, unlike, where))
    return lines


def powers(task: RowResults, share: float) -> list[Row]:
    """Return the power of the gate on 1,000 rows of which the models disagree on 10 %."""
    lines = []
    for gain in GAINS:
        population = make_population(task, 0.10, gain)
        if population is None:
            continue
        chance = promoted(task, 1_000, 0.10, gain=gain, threshold=0.0, runs=int(1_000 * share))
        best = population.power_of_the_best_test(1_000)
        required = 0.8 if gain == max(GAINS) else None
        measure = f"{task.name}: power for {gain:+.0%}, 1,000 rows, 10 % disagreement"
        note = f"no valid test has more than {best:.1%}; 80 % take {rows_needed(task, 0.10, gain):,} rows"
        lines.append(power_row(measure, chance, required, note))
    for margin in GAINS:
        chance = promoted(task, 1_000, 0.10, gain=0.0, threshold=-margin, runs=int(300 * share))
        lines.append(
            power_row(f"{task.name}: equal challenger passes with margin {margin:g}, 1,000 rows, 10 %", chance)
        )
    return lines


def deviations(task: RowResults) -> list[Row]:
    """Return the numerator of the standard error of the difference: divide it by the square root of the rows."""
    lines = []
    for disagreement in DISAGREEMENTS:
        population = make_population(task, disagreement, 0.0)
        value = population.deviation if population else float("nan")
        measure = f"{task.name}: deviation s at {disagreement:.0%} disagreement"
        lines.append(Row(measure=measure, value=round(value, 3), better="lower", command=COMMAND))
    return lines


def rows_needed(task: RowResults, disagreement: float, gain: float) -> int:
    """Return the test rows that show a gain in four of five cases, by the normal approximation (docs/gate.md)."""
    population = make_population(task, disagreement, gain)
    normal = NormalDist()
    quantiles = normal.inv_cdf(0.95) + normal.inv_cdf(0.8)
    return round((quantiles * population.deviation / gain) ** 2) if population else 0


def challenger_rows(chances: dict[str, Floats]) -> list[Row]:
    """Return the chance of error with many challengers."""
    lines = [
        power_row(f"one of {count} equal challengers promoted, {name}", float(chance[count - 1]), better="lower")
        for name, chance in chances.items()
        if name != "gain"
        for count in (5, CHALLENGERS)
    ]
    gain = float(chances["gain"][0])
    return [
        *lines,
        power_row("gain measured for equal challengers that were promoted (true gain 0)", gain, better="lower"),
    ]


def power_cells(task: RowResults, runs: int) -> dict[float, Floats]:
    """Return the simulated chance of promotion by gain (0: equal, within the margin): disagreements x rows."""
    return {
        gain: np.array(
            [
                [
                    promoted(
                        task, rows, disagreement, gain=gain, threshold=0.0 if gain else -MARGIN, runs=runs, replicas=499
                    )
                    for rows in ROWS
                ]
                for disagreement in DISAGREEMENTS
            ]
        )
        for gain in (0.0, *GAINS)
    }


def error_row(measure: str, rates: Sequence[float], note: str) -> Row:
    """Return the row of an error rate, the mean over the cells."""
    return Row(
        measure=measure,
        value=round(float(np.mean(rates)), 4),
        better="lower",
        required=0.05,
        spread=(round(min(rates), 4), round(max(rates), 4)),
        command=COMMAND,
        note=note,
    )


def power_row(
    measure: str,
    value: float,
    required: float | None = None,
    note: str = "",
    better: Literal["higher", "lower"] = "higher",
) -> Row:
    """Return the row of a chance of promotion, by default of a correct one."""
    return Row(measure=measure, value=round(value, 4), better=better, required=required, command=COMMAND, note=note)


if __name__ == "__main__":
    main()
