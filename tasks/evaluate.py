"""The evaluation step: score the exported bundle, the artefact that will serve, on the test rows."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.bundle_evaluation import Evaluation, read_test_rows, score_bundle
from assay.evaluation.export_report import BUNDLE, ExportReport
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.serving.bundle import Bundle


@task(name="evaluate", cache_policy=NO_CACHE)
@reported("evaluate")
def evaluate(
    run: Run, export: ArtifactRef[ExportReport], snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]
) -> ArtifactRef[Evaluation]:
    """Score the bundle on the test rows.

    Raises:
        AssayError: the test split is empty.
    """

    def make(folder: Path) -> None:
        examples, clusters = read_test_rows(snapshot.load(), splits.load()), splits.load().clusters
        current_step().show(f"predicting {len(examples):,} test rows")
        score_bundle(Bundle.load(export.path / BUNDLE), examples, clusters=clusters).save(folder)

    inputs = {"export": export.digest, "snapshot": snapshot.digest, "splits": splits.digest}
    result = run.once("evaluate", inputs, make).to(Evaluation)
    f1 = ", ".join(f"{head} {interval.value:.3f}" for head, interval in result.load().intervals.items())
    current_step().conclude(f"F1 on test rows: {f1}")
    return result
