"""Whether decisions keep their promise on real data, and what they cost in coverage (`make bench-decisions`).

Each shipped recipe is run once with the small encoder of `benchmarks.quality`. Its validation and test rows, on which
the model was not trained, are predicted without calibration, pooled, and split in two by cluster, 200 times: one half
fits calibration and thresholds, as the export does, and the other half counts. `--store FOLDER` takes the newest
finished run of a store in place of a training, `--quick` resamples 20 times, prints the rows and records nothing.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
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
from assay.flows.local import run_training
from assay.recipes.loader import load_recipe
from assay.recipes.recipe import DecisionRule, Head
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from benchmarks.encoder import minilm_folder
from benchmarks.quality import DATA, headlines_in_mongodb, local_folder, medical_overrides
from benchmarks.results import Row, write_rows

COMMAND = "make bench-decisions"
PROMISES = (0.9, 0.95, 0.99)
CONFIDENCE = 0.95
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
    """Run the selected recipes, by default all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=", ".join(OVERRIDES))
    parser.add_argument("--store", type=Path, help="store with a finished run of the one recipe that is named")
    parser.add_argument("--quick", action="store_true", help="few resampled splits; nothing is recorded")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.recipes) - set(OVERRIDES)):
        parser.error(f"no recipe {unknown[0]!r} here; choose from {', '.join(OVERRIDES)}")
    if arguments.store and len(arguments.recipes) != 1:
        parser.error("--store holds the run of one recipe; name it")
    for name in arguments.recipes or OVERRIDES:
        rows = list(measure(name, held_out(name, arguments.store), QUICK_RESAMPLES if arguments.quick else RESAMPLES))
        if arguments.quick:
            print("\n".join(f"{row.measure}: {row.value:.4f} ({row.note})" for row in rows))
        else:
            write_rows("decisions", rows)


def held_out(name: str, store: Path | None) -> HeldOut:
    """Return the held-out predictions of a finished run, or of a new one."""
    if store is not None:
        return read_held_out(store)
    with tempfile.TemporaryDirectory() as folder, OVERRIDES[name]() as overrides:
        encoder = [f"model.encoder={minilm_folder()}", "model.revision=null"]
        run_training(load_recipe(name, [*encoder, *overrides]), Path(folder))
        return read_held_out(Path(folder))


def read_held_out(store: Path) -> HeldOut:
    """Predict the validation and test rows of the newest run of a store without calibration."""
    exported = max(store.glob(f"runs/*/export-*/{BUNDLE}"), key=lambda path: path.stat().st_mtime)
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
        kept = float(np.mean([precision >= promise for precision in precisions]))
        mean = f"mean precision {np.mean(precisions):.4f}; {note}"
        yield _row(f"{name}: splits that keep the promise", kept, mean, required=CONFIDENCE)


def _row(measure: str, value: float, note: str, *, required: float | None = None, lower: bool = False) -> Row:
    return Row(
        measure=measure,
        value=round(value, 4),
        better="lower" if lower else "higher",
        required=required,
        command=COMMAND,
        note=note,
    )


@contextmanager
def _snips() -> Iterator[list[str]]:
    splits = {"train": "train", "dev": "validation", "test": "test"}
    paths = {str(DATA / "snips" / f"snips_{name}.jsonl"): split_name for name, split_name in splits.items()}
    yield [f"source.paths={json.dumps(paths)}"]


@contextmanager
def _financial_tweets() -> Iterator[list[str]]:
    yield local_folder(DATA / "twitter_financial")


@contextmanager
def _news_joint() -> Iterator[list[str]]:
    sizes = ["training.learning_rate=0.0002", "training.head_learning_rate=0.001"]
    with headlines_in_mongodb() as variable:
        yield ["split.method=published", f"source.uri=env:{variable}", *sizes]


@contextmanager
def _product_reviews() -> Iterator[list[str]]:
    sizes = ["training.learning_rate=0.0001", "model.max_length=128", "tuning=null"]
    yield [*local_folder(DATA / "amazon_reviews"), "source.files={}", *sizes]


@contextmanager
def _medical_ner() -> Iterator[list[str]]:
    yield medical_overrides(13)


OVERRIDES: dict[str, Callable[[], AbstractContextManager[list[str]]]] = {
    "snips": _snips,
    "news-joint": _news_joint,
    "financial-tweets": _financial_tweets,
    "product-reviews": _product_reviews,
    "medical-ner": _medical_ner,
}

if __name__ == "__main__":
    main()
