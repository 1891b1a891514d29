"""The evaluation of an exported bundle on labelled rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.completion_manifest import read_manifest
from assay.evaluation.coverage import HeadCoverage, coverage_of
from assay.evaluation.labelled_predictions import (
    PREDICTIONS,
    LabelledPrediction,
    outcomes_of,
    predict_rows,
    read_predictions,
    write_predictions,
)
from assay.evaluation.labels.held_out_rows import predict_held_out
from assay.evaluation.labels.issue_tasks import find_issue_tasks
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.latency import measure_latency
from assay.evaluation.metrics import Metrics, compute_metrics
from assay.evaluation.reliability import HeadReliability, reliability_of
from assay.evaluation.slices import SliceMetric, slice_metrics
from assay.evaluation.statistics import Interval, f1_interval
from assay.evaluation.worst_errors import WorstError, worst_errors
from assay.recipes.recipe import Head
from assay.serving.bundle import Bundle, BundleManifest, Precision
from assay.serving.engine import Engine

EVALUATION = "evaluation.json"
# Most test rows with label issues that an evaluation lists; assay labels issues writes them all.
ISSUES = 25


class Evaluation(Metrics):
    """Metrics of one bundle on one set of rows: per head, class, slice and row.

    `precision` is the one that predicted the rows, of those that the bundle ships. `intervals` holds the 95 % bootstrap
    interval of the F1 of each head. `rows` is stored in a Parquet file next to the JSON file.
    """

    bundle: str
    precision: Precision
    heads: list[Head]
    labels: list[str]
    intervals: dict[Head, Interval]
    reliability: list[HeadReliability]
    coverage: list[HeadCoverage]
    slices: list[SliceMetric]
    worst: list[WorstError]
    label_issues: list[LabelTask]
    rows: list[LabelledPrediction] = Field(default_factory=list, exclude=True, repr=False)

    def save(self, folder: Path) -> None:
        """Write the evaluation into an existing folder."""
        write_predictions(self.rows, folder / PREDICTIONS)
        (folder / EVALUATION).write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the evaluation that `save` wrote.

        Raises:
            AssayError: the folder holds no finished evaluation.
        """
        manifest = read_manifest(folder, EVALUATION, "a finished evaluation", "run with --from evaluate")
        evaluation = cls.model_validate_json(manifest)
        evaluation.rows = read_predictions(folder / PREDICTIONS)
        return evaluation


def score_bundle(
    bundle: Bundle,
    examples: Sequence[Example],
    threads: int | None = None,
    clusters: Mapping[str, str] | None = None,
) -> Evaluation:
    """Compute all metrics of a bundle on labelled rows.

    Args:
        bundle: bundle to evaluate.
        examples: labelled rows, at least one.
        threads: threads of the engine; None uses all CPUs that the process may use.
        clusters: cluster of each row by its id; None uses the row's group.
    """
    engine = Engine(bundle, threads)
    predictions = predict_rows(engine, examples, clusters)
    heads, labels = heads_of(bundle.manifest), bundle.manifest.labels
    texts = [example.text for example in examples]
    row_labels = bundle.manifest.row_labels
    metrics = compute_metrics(predictions, heads, labels, row_labels)
    held_out = list(predict_held_out(engine, examples, "test", predictions))
    (latency,) = measure_latency([engine], examples)
    reliability = reliability_of(predictions, heads, labels, engine.calibration, row_labels)
    coverage = coverage_of(predictions, heads, engine.decisions)
    for head in reliability:
        metrics.metrics |= head.metrics
    for covered in coverage:
        metrics.metrics |= covered.metrics
    metrics.metrics |= {"latency.p50_ms": latency.p50_ms, "latency.p95_ms": latency.p95_ms}
    return Evaluation(
        **dict(metrics),
        bundle=bundle.digest,
        precision=engine.precision,
        heads=heads,
        labels=labels,
        intervals={head: f1_interval(outcomes_of(predictions, head)) for head in heads if head not in metrics.left_out},
        reliability=reliability,
        coverage=coverage,
        slices=[metric for head in heads for metric in slice_metrics(predictions, head)],
        worst=worst_errors(predictions, texts),
        label_issues=find_issue_tasks(held_out, labels, engine.tags, row_labels)[:ISSUES],
        rows=predictions,
    )


def heads_of(manifest: BundleManifest) -> list[Head]:
    """Return the heads of a bundle, the sentence head first."""
    heads: list[Head] = []
    if manifest.labels:
        heads.append("sentence")
    if manifest.row_labels:
        heads.append("labels")
    if manifest.tags:
        heads.append("tokens")
    return heads


def read_test_rows(snapshot: Snapshot, splits: Splits) -> list[Example]:
    """Return the test rows.

    Raises:
        AssayError: there are no test rows.
    """
    rows = splits.rows(snapshot, "test")
    if not rows:
        raise AssayError("the test split has no rows; raise split.test or add data")
    return rows
