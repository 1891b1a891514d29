"""Whether decisions keep their promise on real data, and what they cost in coverage (`make bench-decisions`).

Reads the first run of each recipe in the stores that `benchmarks.quality --stores FOLDER` keeps. Its validation and
test rows, on which the model was not trained, are predicted without calibration, pooled, and split in two by cluster,
200 times: one half fits calibration and thresholds, as the export does, and the other half counts. `--quick` resamples
20 times, prints the rows and records nothing.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.evaluation.bundle_evaluation import heads_of
from assay.evaluation.coverage import coverage_of
from assay.evaluation.export_report import BUNDLE
from assay.evaluation.fitted_predictions import FittedPredictions
from assay.evaluation.labelled_predictions import LabelledPrediction, predict_rows
from assay.evaluation.metrics import HEAD_NOUNS
from assay.evaluation.reliability import reliability_of
from assay.evaluation.scored_predictions import scored_predictions
from assay.recipes.recipe import DecisionRule, Head
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from benchmarks.results import Row, write_rows

COMMAND = "make bench-decisions"
PROMISES = (0.9, 0.95, 0.99)
CONFIDENCE = 0.95
RECIPES = ("snips", "news-joint", "financial-tweets", "product-reviews", "medical-ner")
COVERAGES = (0.5, 0.7, 0.8, 0.9, 1.0)
RESAMPLES, QUICK_RESAMPLES = 200, 20


@dataclass(frozen=True)
class HeldOut:
    """Uncalibrated predictions on the validation and test rows of a run."""

    rows: list[LabelledPrediction]
    heads: list[Head]
    labels: list[str]
    row_labels: list[str]

    def fit(self, rows: Sequence[LabelledPrediction]) -> FittedPredictions:
        """Fit calibration and label thresholds on some of the rows, as the export does."""
        return FittedPredictions.fit(rows, self.labels, self.row_labels)


@dataclass(frozen=True)
class Promise:
    """What a promise came to on the halves that count: its coverage and precision; None where nothing was decided."""

    coverage: float
    precision: float | None


def main() -> None:
    """Measure the recipes whose runs are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", type=Path, metavar="FOLDER", help="that of benchmarks.quality --stores")
    parser.add_argument("--quick", action="store_true", help="few resampled splits; nothing is recorded")
    arguments = parser.parse_args()
    kept = {name: arguments.stores / name / "0" for name in RECIPES if (arguments.stores / name / "0").is_dir()}
    if not kept:
        parser.error(f"{arguments.stores} holds no run of {', '.join(RECIPES)}; benchmarks.quality --stores makes them")
    for name, store in kept.items():
        rows = list(measure(name, read_held_out(store), QUICK_RESAMPLES if arguments.quick else RESAMPLES))
        if arguments.quick:
            print("\n".join(f"{row.measure}: {row.value:.4f} ({row.note})" for row in rows))
        else:
            write_rows("decisions", rows)


def read_held_out(store: Path) -> HeldOut:
    """Predict the validation and test rows of the run of a store without calibration."""
    exports = list(store.glob(f"runs/*/export-*/{BUNDLE}"))
    if len(exports) != 1:
        raise SystemExit(f"{store} holds {len(exports)} exports, not one; remove it, and run {COMMAND} again")
    exported = exports[0]
    run = exported.parents[1]
    (snapshot_folder,), (splits_folder,) = run.glob("extract-*"), run.glob("split-*")
    bundle, snapshot, splits = Bundle.load(exported), Snapshot.load(snapshot_folder), Splits.load(splits_folder)
    plain = bundle.manifest.model_copy(update={"calibration": {}, "decisions": {}, "label_thresholds": {}})
    examples = [row for split in ("validation", "test") for row in splits.rows(snapshot, split)]
    with Engine(Bundle(bundle.folder, plain)) as engine:
        rows = predict_rows(engine, examples, splits.clusters)
    return HeldOut(rows, heads_of(bundle.manifest), bundle.manifest.labels, bundle.manifest.row_labels)


def measure(name: str, data: HeldOut, resamples: int) -> Iterator[Row]:
    """Yield the rows of one recipe."""
    random = np.random.default_rng(13)
    halves = [_halves(data.rows, random) for _ in range(resamples)]
    yield from _calibration(name, data, halves[0])
    yield from _coverage(name, data, halves[0])
    for head in data.heads:
        results = {promise: [_kept(data, head, promise, half) for half in halves] for promise in PROMISES}
        for promise, outcomes in results.items():
            yield from _promise_rows(f"{name}: {HEAD_NOUNS[head]}, promised {promise:g}", promise, outcomes)


Halves = tuple[list[LabelledPrediction], list[LabelledPrediction]]


def _halves(rows: Sequence[LabelledPrediction], random: np.random.Generator) -> Halves:
    names = sorted({row.own_cluster for row in rows})
    fitting = {name for name, chosen in zip(names, random.random(len(names)) < 0.5, strict=True) if chosen}
    return [row for row in rows if row.own_cluster in fitting], [row for row in rows if row.own_cluster not in fitting]


def _calibration(name: str, data: HeldOut, halves: Halves) -> Iterator[Row]:
    fitting, counting = halves
    fitted = data.fit(fitting)
    shown = fitted.applied_to(counting)
    for head in reliability_of(shown, data.heads, data.labels, fitted.calibration, data.row_labels):
        before = f"{head.uncalibrated.error.value:.3f} before calibration"
        yield _row(
            f"{name}: calibration error of {HEAD_NOUNS[head.head]}", head.calibrated.error.value, before, lower=True
        )


def _coverage(name: str, data: HeldOut, halves: Halves) -> Iterator[Row]:
    """Yield the share of errors among the most confident predictions, by coverage."""
    fitting, counting = halves
    for head in coverage_of(data.fit(fitting).applied_to(counting), data.heads, {}):
        for share in COVERAGES:
            point = min(head.curve, key=lambda point: abs(point.coverage - share))
            what = f"{name}: errors among the {share:.0%} most confident {HEAD_NOUNS[head.head]}"
            yield _row(what, 1 - point.precision, f"confidence from {point.confidence:.3f}", lower=True)


def _kept(data: HeldOut, head: Head, promise: float, halves: Halves) -> Promise:
    fitting, counting = halves
    fitted = data.fit(fitting)
    decision = fitted.decide({head: DecisionRule(precision=promise, confidence=CONFIDENCE)})[head]
    shown = scored_predictions(fitted.applied_to(counting), head)
    decided = shown.decided_by(decision)
    return Promise(float(decided.mean()), float(shown.right[decided].mean()) if decided.any() else None)


def _promise_rows(name: str, promise: float, outcomes: Sequence[Promise]) -> Iterator[Row]:
    precisions = [one.precision for one in outcomes if one.precision is not None]
    note = f"{len(precisions)} of {len(outcomes)} resampled splits decide anything"
    yield _row(f"{name}: share decided", float(np.mean([one.coverage for one in outcomes])), note)
    if precisions:
        # The promise is that at most 5 % of all splits break it; one that decides nothing does not.
        broken = sum(precision < promise for precision in precisions)
        mean = f"mean precision {np.mean(precisions):.4f}; {broken} break it, {note}"
        yield _row(f"{name}: splits that keep the promise", 1 - broken / len(outcomes), mean, required=CONFIDENCE)


def _row(measure: str, value: float, note: str, *, required: float | None = None, lower: bool = False) -> Row:
    return Row(
        measure=measure,
        value=round(value, 4),
        better="lower" if lower else "higher",
        required=required,
        command=COMMAND,
        note=note,
    )


if __name__ == "__main__":
    main()
