"""What a bundle scores on labelled rows: the metrics of the artefact that will serve."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.completion_manifest import read_manifest
from assay.evaluation.label_issues import LabelIssue, WorstError, find_label_issues, worst_errors
from assay.evaluation.labelled_predictions import (
    PREDICTIONS,
    LabelledPrediction,
    outcomes_of,
    predict_rows,
    read_predictions,
    write_predictions,
)
from assay.evaluation.latency import measure_latency
from assay.evaluation.metrics import Metrics, compute_metrics
from assay.evaluation.slices import SliceMetric, slice_metrics
from assay.evaluation.statistics import Interval, f1_interval
from assay.recipes.recipe import Head
from assay.serving.bundle import Bundle, BundleManifest
from assay.serving.engine import Engine

EVALUATION = "evaluation.json"


class Evaluation(Metrics):
    """Figures of one bundle on one set of rows: for each head, each class, each slice, each row.

    `intervals` are 95 % bootstrap intervals of the F1 of each head. `rows` are kept in a Parquet file beside
    the JSON.
    """

    bundle: str
    heads: list[Head]
    labels: list[str]
    intervals: dict[Head, Interval]
    slices: list[SliceMetric]
    worst: list[WorstError]
    label_issues: list[LabelIssue]
    rows: list[LabelledPrediction] = Field(default_factory=list, exclude=True, repr=False)

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""
        write_predictions(self.rows, folder / PREDICTIONS)
        (folder / EVALUATION).write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote.

        Raises:
            AssayError: there is no evaluation.
        """
        marker = read_manifest(folder, EVALUATION, "a finished evaluation", "run with --from evaluate")
        evaluation = cls.model_validate_json(marker)
        evaluation.rows = read_predictions(folder / PREDICTIONS)
        return evaluation


def score_bundle(
    bundle: Bundle,
    examples: Sequence[Example],
    threads: int | None = None,
    clusters: Mapping[str, str] | None = None,
) -> Evaluation:
    """Every figure of a bundle on labelled rows.

    Args:
        bundle: what ships.
        examples: labelled rows, at least one.
        threads: of the engine; none: all CPUs that this process may use.
        clusters: the cluster of each row by its id; None takes the row's group.
    """
    engine = Engine(bundle, threads)
    answers = predict_rows(engine, examples, clusters)
    heads, labels = heads_of(bundle.manifest), bundle.manifest.labels
    texts = [example.text for example in examples]
    metrics = compute_metrics(answers, heads, labels)
    (latency,) = measure_latency([engine], examples)
    metrics.metrics |= {"latency.p50_ms": latency.p50_ms, "latency.p95_ms": latency.p95_ms}
    return Evaluation(
        **dict(metrics),
        bundle=bundle.digest,
        heads=heads,
        labels=labels,
        intervals={head: f1_interval(outcomes_of(answers, head)) for head in heads if head not in metrics.left_out},
        slices=[metric for head in heads for metric in slice_metrics(answers, head)],
        worst=worst_errors(answers, texts),
        label_issues=find_label_issues(answers, texts, labels),
        rows=answers,
    )


def heads_of(manifest: BundleManifest) -> list[Head]:
    """The heads that a bundle has, sentence first."""
    heads: list[Head] = []
    if manifest.labels:
        heads.append("sentence")
    if manifest.tags:
        heads.append("tokens")
    return heads


def read_test_rows(snapshot: Snapshot, splits: Splits) -> list[Example]:
    """The rows that a verdict rests on.

    Raises:
        AssayError: there are none.
    """
    rows = splits.rows(snapshot, "test")
    if not rows:
        raise AssayError("the test side holds no rows; raise split.test or add data")
    return rows
