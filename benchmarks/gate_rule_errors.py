"""Error rates of the gate's rules about one model: calibration, precision at a coverage, recall, and F1.

The held-out rows of a real task, with the predictions of a small real model, are the population: what the model does
on all of them is the truth. Test sets are drawn from it, and each rule decides by the functions of the gate, with a
threshold a little below the truth (a refusal is false) and a little above it (a pass is false). In clusters, all rows
are copies of one: the hardest kind.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.calibration_error import calibration_error
from assay.evaluation.confident_predictions import precision_at_coverage
from assay.evaluation.scored_predictions import ScoredPredictions
from assay.evaluation.share_interval import share_of
from assay.evaluation.statistics import Interval, Ints, Outcomes, f1_interval
from benchmarks.gate_rows import DATA, PredictedRows, headline_probabilities, tweet_probabilities
from benchmarks.results import Row, show, write_rows

COMMAND = "make bench-gate"
RUNS = 200
ROWS = (250, 1_000, 4_000)
MARGINS = (0.02, 0.05)
CLUSTER = 5
COVERAGE = 0.8
RULES = ("min_f1", "max_ece", "min_precision_at", "min_recall")
COVERED = 0.93  # a 95 % interval that holds the truth less often is too narrow

Rule = Callable[[PredictedRows, Ints | None], Interval]


@dataclass(frozen=True)
class Decisions:
    """Intervals of a rule on test sets of one kind, and the value on all rows."""

    truth: float
    intervals: list[Interval]
    highest: bool

    def wrong(self, margin: float, *, meets: bool) -> float:
        """Return the share of false refusals (`meets`) or of false passes, at a threshold this far from the truth."""
        better = margin if meets else -margin
        threshold = self.truth + better if self.highest else self.truth - better
        passed = [(one.value <= threshold) if self.highest else (one.value >= threshold) for one in self.intervals]
        return float(np.mean(passed)) if not meets else 1 - float(np.mean(passed))

    @property
    def covered(self) -> float:
        """Return the share of intervals that hold the truth."""
        return float(np.mean([one.low <= self.truth <= one.high for one in self.intervals]))


def main() -> None:
    """Simulate, and record the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations; nothing is recorded")
    parser.add_argument("--rule", choices=RULES, help="measure one rule only")
    given = parser.parse_args()
    quick = given.quick
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is absent: this benchmark reads real data sets from there")
    rows = list(rule_rows(RUNS // 10 if quick else RUNS, [given.rule] if given.rule else RULES))
    if quick:
        show(rows)
    else:
        write_rows("gate", rows)


def rule_rows(runs: int, rules: Sequence[str] = RULES) -> Iterator[Row]:
    """Yield the rows of every task, rule and kind of test set."""
    for task in (tweet_probabilities(), headline_probabilities()):
        rarest = int(np.argmin(np.bincount(task.gold)))
        for name, rule_name, rule, rows in (
            ("min_f1", "min_f1", f1_of, task),
            ("max_ece", "max_ece", ece_of, task.overconfident),
            (f"min_precision_at {COVERAGE:.0%}", "min_precision_at", precision_of, task),
            (
                f"min_recall of the rarest class ({np.mean(task.gold == rarest):.0%})",
                "min_recall",
                recall_of(rarest),
                task,
            ),
        ):
            for size in (1, CLUSTER) if rule_name in rules else ():
                yield from _rows_of(rows, name, rule, rule_name == "max_ece", size, runs)


def _rows_of(task: PredictedRows, name: str, rule: Rule, highest: bool, size: int, runs: int) -> Iterator[Row]:
    clusters = f" in clusters of {size} copies" if size > 1 else ""
    truth = rule(task, None).value
    by_rows = {count: decide(task, rule, truth, highest, count, size, runs) for count in ROWS}
    for margin in MARGINS:
        for meets in (True, False):
            what = "refused though met" if meets else "passed though missed"
            rates = {count: decisions.wrong(margin, meets=meets) for count, decisions in by_rows.items()}
            listed = ", ".join(f"{count:,} rows {rate:.1%}" for count, rate in rates.items())
            yield Row(
                measure=f"{task.name}: {name} {what} by {margin:g}, 1,000 rows{clusters}",
                value=round(rates[1_000], 4),
                better="lower",
                command=COMMAND,
                note=f"{listed}; {runs} test sets each; on all rows {truth:.3f}",
            )
    covered = [decisions.covered for decisions in by_rows.values()]
    yield Row(
        measure=f"{task.name}: {name}, intervals that hold the truth{clusters}",
        value=round(float(np.mean(covered)), 4),
        better="higher",
        required=COVERED,
        spread=(round(min(covered), 4), round(max(covered), 4)),
        command=COMMAND,
        note=f"{', '.join(f'{count:,}' for count in ROWS)} rows, {runs} test sets each",
    )


def decide(task: PredictedRows, rule: Rule, truth: float, highest: bool, rows: int, size: int, runs: int) -> Decisions:
    """Return the intervals of a rule on test sets of so many rows, in clusters of `size` copies."""
    random = np.random.default_rng([rows, size])
    numbers = np.repeat(np.arange(rows // size), size) if size > 1 else None
    drawn = (np.repeat(random.integers(len(task), size=rows // size), size) for _ in range(runs))
    return Decisions(truth, [rule(task.take(places), numbers) for places in drawn], highest)


def f1_of(rows: PredictedRows, clusters: Ints | None) -> Interval:
    """Return macro-F1, the value of `gate.min_f1`."""
    codes = np.column_stack([rows.gold, rows.predicted])
    return f1_interval(Outcomes(codes, rows.probabilities.shape[1], clusters), replicas=500)


def ece_of(rows: PredictedRows, clusters: Ints | None) -> Interval:
    """Return the calibration error, the value of `gate.max_ece`."""
    return calibration_error(rows.confidence, rows.right, clusters).error


def precision_of(rows: PredictedRows, clusters: Ints | None) -> Interval:
    """Return the precision of the most confident rows, the value of `gate.min_precision_at`."""
    predictions = ScoredPredictions([""] * len(rows), rows.confidence, rows.right, clusters)
    return precision_at_coverage(predictions, COVERAGE).share.interval


def recall_of(label: int) -> Rule:
    """Return the rule of the recall of a class, the value of `gate.min_recall`."""

    def measure(rows: PredictedRows, clusters: Ints | None) -> Interval:
        numbers = np.arange(len(rows)) if clusters is None else clusters
        members = rows.gold == label
        return share_of(rows.right[members].tolist(), numbers[members].tolist()).interval

    return measure


if __name__ == "__main__":
    main()
