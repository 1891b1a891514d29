"""Several labels per row on real data, against scikit-learn (`make bench-multi-label`).

The labels of a headline are the sentiments of the entities in it: positive, negative, neutral, or several of them. The
whole run is measured, on the test rows of the published split, with all-MiniLM-L6-v2 (22 million parameters). The
baseline is TF-IDF with one logistic regression per label, its thresholds chosen on validation rows as those of the
bundle are. `--quick` takes one epoch and a share of the rows, prints the metrics, and records nothing.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of
from assay.evaluation.paired_test import compare
from assay.evaluation.spaced_rows import evenly_spaced
from assay.evaluation.statistics import cluster_codes, label_outcomes
from assay.flows.local import run_training
from assay.models.label_thresholds import Bools, applied_labels, choose_thresholds
from assay.models.scores import LabelScores, label_scores
from assay.recipes.loader import parse_recipe
from benchmarks.encoder import minilm_folder
from benchmarks.results import Row, show, write_rows

DATA = Path(__file__).parents[2] / "shared" / "data" / "sentfin"
COMMAND = "make bench-multi-label"
LABELS = ["negative", "neutral", "positive"]
MOST_ECE = 0.05
QUICK_ROWS = {"train": 1_500, "validation": 400, "test": 400}
Rows = Sequence[dict[str, Any]]


def main() -> None:
    """Train, score and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one epoch, a share of the rows; nothing is recorded")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with sentfin_train.jsonl and the other splits")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        raise SystemExit(f"{arguments.data} is absent: this benchmark reads the headlines from there")
    splits = {name: read_rows(arguments.data / f"sentfin_{name}.jsonl") for name in ("train", "validation", "test")}
    if arguments.quick:
        # Evenly spaced, since the headlines of one sentiment stand together.
        splits = {name: evenly_spaced(rows, QUICK_ROWS[name]) for name, rows in splits.items()}
    begun = time.perf_counter()
    evaluation, note = run(splits, epochs=1 if arguments.quick else 4)
    minutes = (time.perf_counter() - begun) / 60
    rows = result_rows(evaluation, splits, f"{note}; {minutes:.0f} minutes")
    if arguments.quick:
        show(rows)
    else:
        write_rows("multi_label", rows)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return id, text and labels of each headline."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        {
            "id": f"{path.stem}-{row['id']}",
            "text": row["text"],
            "labels": sorted({entity["sentiment"] for entity in row["entities"]}),
        }
        for row in rows
    ]


def run(splits: Mapping[str, Rows], epochs: int) -> tuple[Evaluation, str]:
    """Run the whole pipeline, and return the evaluation on test rows with the decision of the gate."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, rows in splits.items():
            path = Path(folder) / f"{name}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            paths[str(path)] = name
        recipe = parse_recipe(
            {
                "name": "headline-sentiments",
                "source": {"kind": "files", "paths": paths, "fields": {"id": "id", "labels": "labels"}},
                "split": {"method": "published"},
                "model": {"encoder": str(minilm_folder()), "heads": ["labels"], "max_length": 64},
                # As in benchmarks.quality: the small encoder needs larger steps.
                "training": {"epochs": epochs, "learning_rate": 0.0002, "head_learning_rate": 0.001},
                "gate": {
                    "min_f1": {"labels": 0.7},
                    "baseline": "tfidf",
                    "max_ece": {"labels": MOST_ECE},
                    "precision": "fp32",  # by their speed, others would ship now and then
                },
                "registry": {"name": "headline-sentiments"},
            },
            "benchmarks",
        )
        outcome = run_training(recipe, Path(folder) / "store")
        failed = ", ".join(check.name for check in outcome.verdict.failed)
        return Evaluation.load(outcome.evaluation), f"{outcome.verdict.outcome}{f' by {failed}' if failed else ''}"


def baseline_labels(splits: Mapping[str, Rows], ids: Sequence[str]) -> list[list[str]]:
    """Return the labels that TF-IDF with one logistic regression per label gives the test rows with these ids."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(words, OneVsRestClassifier(LogisticRegression(max_iter=2000, class_weight="balanced")))
    model.fit([row["text"] for row in splits["train"]], label_table(splits["train"]))
    validation, text_of = splits["validation"], {row["id"]: row["text"] for row in splits["test"]}
    thresholds = choose_thresholds(
        model.predict_proba([row["text"] for row in validation]), label_table(validation).astype(bool)
    )
    applied = applied_labels(model.predict_proba([text_of[row_id] for row_id in ids]), thresholds)
    return [[name for name, applies in zip(LABELS, row, strict=True) if applies] for row in applied]


def label_table(rows: Rows) -> Bools:
    """Return which labels apply, rows x labels."""
    return np.array([[name in row["labels"] for name in LABELS] for row in rows])


def result_rows(evaluation: Evaluation, splits: Mapping[str, Rows], note: str) -> list[Row]:
    """Return the metrics of the bundle and of the baseline on the same test rows, and how far they are apart."""
    tested = [row for row in evaluation.rows if row.gold_labels is not None]
    predicted = baseline_labels(splits, [row.id for row in tested])
    baseline = label_scores([row.gold_labels or () for row in tested], predicted, LABELS)
    metrics = evaluation.metrics
    lower = lower_bound(tested, predicted)
    before = f"{metrics['labels.ece_uncalibrated']:.3f} before calibration"
    rows = [
        _row("macro-F1", metrics["labels.macro_f1"], note=f"{note}; {len(tested)} test rows"),
        _row("micro-F1", metrics["labels.micro_f1"]),
        _row("subset accuracy", metrics["labels.subset_accuracy"]),
        *_baseline_rows(baseline),
        _row(
            "macro-F1 above TF-IDF", metrics["labels.macro_f1"] - baseline.macro_f1, 0.0, note=f"at least {lower:.3f}"
        ),
        _row("lower bound of the difference, 95 % confidence", lower, 0.0),
        _row("calibration error", metrics["labels.ece"], MOST_ECE, note=before).model_copy(update={"better": "lower"}),
        _row(
            "log loss, fall by calibration", metrics["labels.log_loss_uncalibrated"] - metrics["labels.log_loss"], 0.0
        ),
    ]
    return [*rows, *(_row(f"F1 of {line.name}", line.f1) for line in evaluation.report["labels"])]


def lower_bound(tested: Sequence[LabelledPrediction], predicted: Sequence[Sequence[str]]) -> float:
    """Return the one-sided lower bound of how much macro-F1 the bundle has more than the baseline."""
    clusters = [row.own_cluster for row in tested]
    ours = outcomes_of(tested, "labels", LABELS)
    theirs = label_outcomes([row.gold_labels or () for row in tested], predicted, LABELS, clusters)
    assert (ours.clusters is None) == (cluster_codes(clusters) is None)
    return compare(ours, theirs).lower


def _baseline_rows(scores: LabelScores) -> list[Row]:
    return [
        _row("TF-IDF, macro-F1", scores.macro_f1),
        _row("TF-IDF, micro-F1", scores.micro_f1),
        _row("TF-IDF, subset accuracy", scores.subset_accuracy),
    ]


def _row(measure: str, value: float, required: float | None = None, note: str = "") -> Row:
    return Row(
        measure=f"headline sentiments: {measure}",
        value=round(value, 4),
        better="higher",
        required=required,
        command=COMMAND,
        note=note,
    )


if __name__ == "__main__":
    main()
