"""Score the exported bundle on the test rows: the figures are those of the artefact that will serve."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import Field

from corpus.errors import AssayError
from corpus.example import Example
from corpus.finished import read_marker
from corpus.snapshot import Snapshot
from corpus.splits import Splits
from recipes.recipe import Head
from serving.bundle import Bundle, BundleManifest
from serving.engine import Engine
from tasks.run import Ref, Run
from tasks.scoring.answers import ANSWERS, Answer, answer_rows, outcomes_of, read_answers, write_answers
from tasks.scoring.figures import Figures, compute_figures
from tasks.scoring.latency import measure_latency
from tasks.scoring.mistakes import Mistake, Suspect, label_suspects, worst_mistakes
from tasks.scoring.slices import SliceFigure, slice_figures
from tasks.scoring.statistics import Interval, f1_interval

EVALUATION = "evaluation.json"
BUNDLE = "bundle"


class Evaluation(Figures):
    """Figures of one bundle on one set of rows: for each head, each class, each slice, each row.

    `intervals` are 95 % bootstrap intervals of the F1 of each head. `rows` are kept in a Parquet file beside
    the JSON.
    """

    bundle: str
    heads: list[Head]
    labels: list[str]
    intervals: dict[Head, Interval]
    slices: list[SliceFigure]
    worst: list[Mistake]
    suspects: list[Suspect]
    rows: list[Answer] = Field(default_factory=list, exclude=True, repr=False)

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""
        write_answers(self.rows, folder / ANSWERS)
        (folder / EVALUATION).write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote.

        Raises:
            AssayError: there is no evaluation.
        """
        marker = read_marker(folder, EVALUATION, "a finished evaluation", "run with --from evaluate")
        evaluation = cls.model_validate_json(marker)
        evaluation.rows = read_answers(folder / ANSWERS)
        return evaluation


@task(name="evaluate", cache_policy=NO_CACHE)
def evaluate(run: Run, export: Ref, snapshot: Ref, splits: Ref) -> Ref:
    """Score the bundle on the test rows.

    Raises:
        AssayError: the test side is empty.
    """

    def make(folder: Path) -> None:
        examples, clusters = read_test_rows(snapshot, splits), Splits.load(splits.path).clusters
        score_bundle(Bundle.load(export.path / BUNDLE), examples, clusters=clusters).save(folder)

    return run.once("evaluate", {"export": export.digest, "snapshot": snapshot.digest, "splits": splits.digest}, make)


def read_test_rows(snapshot: Ref, splits: Ref) -> list[Example]:
    """The rows that a verdict rests on.

    Raises:
        AssayError: there are none.
    """
    rows = Splits.load(splits.path).rows(Snapshot.load(snapshot.path), "test")
    if not rows:
        raise AssayError("the test side holds no rows; raise split.test or add data")
    return rows


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
    answers = answer_rows(engine, examples, clusters)
    heads, labels = heads_of(bundle.manifest), bundle.manifest.labels
    texts = [example.text for example in examples]
    figures = compute_figures(answers, heads, labels)
    (latency,) = measure_latency([engine], examples)
    figures.figures |= {"latency.p50_ms": latency.p50_ms, "latency.p95_ms": latency.p95_ms}
    return Evaluation(
        **dict(figures),
        bundle=bundle.digest,
        heads=heads,
        labels=labels,
        intervals={head: f1_interval(outcomes_of(answers, head)) for head in heads if head not in figures.left_out},
        slices=[figure for head in heads for figure in slice_figures(answers, head)],
        worst=worst_mistakes(answers, texts),
        suspects=label_suspects(answers, texts, labels),
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
