"""The steps of monitoring: compare a window with the reference, record the report, and emit the drift event."""

import time
from pathlib import Path

from mlflow.entities import Metric
from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.plural import counted
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.drift.drift_report import DriftReport, write_report
from assay.evaluation.drift.embedding import Embedder
from assay.evaluation.drift.findings import find_drift
from assay.evaluation.drift.window import Window, read_window
from assay.evaluation.drift.window_statistics import Reference
from assay.runs.events import DRIFTED, emit, model_resource
from assay.runs.mlflow_client import connect
from assay.runs.prefect_artifacts import show_markdown
from assay.runs.step_progress import current_step, reported
from assay.runs.tracking import mlflow_reachable
from assay.serving.engine import Engine
from assay.tasks.find_reference import Champion

ARTIFACTS, METRIC = "monitoring", "drift."


@task(name="compare-window", cache_policy=NO_CACHE)
@reported("compare")
def compare_window(champion: Champion, reference: ArtifactRef[Reference], window: Window, store: Path) -> DriftReport:
    """Read a window, test every signal, and write the report.

    Raises:
        AssayError: the window cannot be read.
        DataError: the window holds no row.
    """
    rule = champion.recipe.monitoring
    bundle = champion.open()
    engine = Engine(bundle)
    expected = reference.load()
    observed, counts = read_window(window, champion.recipe, engine, Embedder(bundle, engine), expected.known)
    report = DriftReport(
        model=champion.address,
        recipe=champion.recipe.name,
        snapshot=champion.snapshot,
        window=window.address,
        rows=len(observed),
        reference_rows=len(expected.observed),
        clusters=len(set(observed.cluster_names)),
        reference_clusters=len(set(expected.observed.cluster_names)),
        alpha=rule.alpha,
        findings=find_drift(expected, observed, rule),
        **counts.model_dump(),
    )
    report = write_report(report, expected, observed, store.resolve() / "monitoring" / champion.name)
    current_step().conclude(f"{counted(report.rows, 'row')} with {report.reference_rows:,} of the snapshot")
    return report


@task(name="record-drift", cache_policy=NO_CACHE)
def record_drift(champion: Champion, report: DriftReport) -> None:
    """Log report and effects to the MLflow run of the version, and show the report in Prefect.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    now = int(time.time() * 1000)
    # The step is the time in seconds, so that the windows form a curve in any order.
    effects = [
        Metric(METRIC + finding.name.replace(" ", "_"), finding.effect, now, int(report.at.timestamp()))
        for finding in report.findings
        if finding.effect is not None
    ]
    with mlflow_reachable(champion.tracking_uri):
        client = connect(champion.tracking_uri)
        client.log_batch(champion.mlflow_run, metrics=effects)
        for path in sorted(report.folder.iterdir()):
            client.log_artifact(champion.mlflow_run, str(path), f"{ARTIFACTS}/{report.folder.name}")
    show_markdown("drift", report.markdown(), report.summary)


@task(name="emit-drift", cache_policy=NO_CACHE)
def emit_drift(champion: Champion, report: DriftReport) -> None:
    """Emit the event `assay.drift`, on which an automation may start a training."""
    payload = {
        "summary": report.summary,
        "model": report.model,
        "recipe": report.recipe,
        "window": report.window,
        "rows": report.rows,
        "signals": {finding.name: {"effect": finding.effect, "p": finding.p_value} for finding in report.drifted},
        "report": str(report.page),
    }
    labels = {"assay.version": champion.number, "assay.recipe": champion.recipe.name}
    emit(DRIFTED, model_resource(champion.name), champion.name, payload, labels)
