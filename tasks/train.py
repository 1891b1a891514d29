"""The training step: train the network of the recipe and log its metrics to MLflow."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag
from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.atomic import PARTIAL
from assay.evaluation.attempts import FIRST
from assay.evaluation.tag_check import encoder_digest
from assay.models.checkpoint import Checkpoint
from assay.models.sample_weights import SampleWeights
from assay.recipes.recipe import Recipe
from assay.runs.metric_logging import MetricLog, metric_log, nested_metric_log
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.runs.tags import DEVICE_TAG, PRECISION_TAG, TRAINING_WARNINGS_TAG
from assay.tasks.training.launcher import launch_training
from assay.tasks.training.training_job import TrainingJob
from assay.tasks.tuning.result import TuningResult, tuned_recipe

LONGEST_PARAMETER = 500


@task(name="train", cache_policy=NO_CACHE)
@reported("train")
def train(
    run: Run,
    snapshot: ArtifactRef[Snapshot],
    splits: ArtifactRef[Splits],
    tuned: ArtifactRef[TuningResult] | None = None,
    weights: ArtifactRef[SampleWeights] | None = None,
    attempt: str = FIRST,
) -> ArtifactRef[Checkpoint]:
    """Train the network of the recipe; an interrupted training resumes after its last complete epoch.

    If `training.processes` is above 1, torchrun starts that many processes, with one GPU each.

    The loss of each step, the validation metrics of each epoch, the device, the number format and the duration are
    logged to MLflow: to the run of the pipeline for the first attempt, to a nested run for a further one.

    Args:
        run: the run.
        snapshot: result of the extraction.
        splits: result of the split.
        tuned: result of a search, whose best settings replace those of the recipe. None: no search.
        weights: sample weights of the training rows. None weighs all rows equally.
        attempt: name of the attempt.

    Returns:
        A folder with a `assay.models.checkpoint.Checkpoint`.

    Raises:
        AssayError: the rows do not suit the heads, the encoder could not be downloaded, the loss is not finite, or
            MLflow is not responding.
    """
    recipe = tuned_recipe(run.recipe, tuned)
    inputs = {
        **training_inputs(recipe, snapshot, splits),
        "weights": None if weights is None else weights.digest,
    }

    def make(folder: Path) -> None:
        sample_weights = None if weights is None else weights.load()
        with _log_of(run, folder, attempt, tuned, sample_weights) as log:
            job = TrainingJob(
                run=run.model_copy(update={"recipe": recipe, "mlflow_run": log.run_id}),
                snapshot=snapshot,
                splits=splits,
                folder=folder,
                weights=None if weights is None else weights.path,
            )
            launch_training(job, log)
            log.flush()
            _log_environment(log.client, log.run_id, Checkpoint.load(folder))

    def reused(folder: Path) -> None:
        with _log_of(run, folder, attempt, tuned, None) as log:
            _log_history(log, Checkpoint.load(folder))

    content = None if weights is not None else training_content(recipe, snapshot, splits)
    checkpoint = run.once("train", inputs, make, resumable=True, content=content, reused=reused).to(Checkpoint)
    current_step().conclude(_summary(checkpoint.load().history))
    return checkpoint


def _summary(history: Mapping[str, Any]) -> str:
    """Return the epoch that was kept, and its score, in a few words."""
    epochs = history["epochs"]
    kept = [epoch for epoch in epochs if epoch["epoch"] == history["kept_epoch"]]
    if not kept:
        return counted(len(epochs), "epoch")
    return f"score {kept[0]['score']:.3f} on validation rows, epoch {kept[0]['epoch']:g} of {len(epochs)}"


def training_content(recipe: Recipe, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]) -> dict[str, Any]:
    """Return what a training depends on, independent of the run: rows are identified by their content, not by files.

    Device, number format, threads and instruction set of the processor change the weights, so they are included.
    """
    # Imported here, since torch takes seconds to import, and the steps before the training do not need it.
    from assay.models.hardware import numeric_environment

    rows = {"snapshot": snapshot.load().digest, "splits": splits.load().digest}
    environment = numeric_environment(recipe.training.precision)
    return {**training_inputs(recipe, snapshot, splits), **rows, "environment": environment}


def training_inputs(recipe: Recipe, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]) -> dict[str, Any]:
    """Return what the result of a training depends on, as JSON."""
    return {
        "snapshot": snapshot.digest,
        "splits": splits.digest,
        "model": recipe.model.model_dump(mode="json"),
        "training": recipe.training.model_dump(mode="json"),
        "encoder": encoder_digest(recipe.model.encoder),
    }


def _log_of(
    run: Run, folder: Path, attempt: str, tuned: ArtifactRef[TuningResult] | None, weights: SampleWeights | None
) -> AbstractContextManager[MetricLog]:
    if attempt == FIRST:
        return metric_log(run)
    settings: dict[str, Any] = {} if tuned is None else dict(tuned.load().best.settings)
    if weights is not None:
        settings["weights"] = str(weights)[:LONGEST_PARAMETER]
    return nested_metric_log(run, folder.name.removesuffix(PARTIAL), attempt, settings)


def _log_history(log: MetricLog, checkpoint: Checkpoint) -> None:
    """Log the metrics of a training that another run did to the MLflow run of this one."""
    history = checkpoint.history
    for step, loss in history["loss"]:
        log.add({"train.loss": loss}, int(step))
    for epoch in history["epochs"]:
        values = {f"validation.{name}": value for name, value in epoch.items() if name not in ("epoch", "step")}
        log.add(values, int(epoch["step"]))
    log.flush()
    _log_environment(log.client, log.run_id, checkpoint)


def _log_environment(client: MlflowClient, run_id: str, checkpoint: Checkpoint) -> None:
    history = checkpoint.history
    now = int(time.time() * 1000)
    warnings = history.get("warnings", [])
    tags = [RunTag(DEVICE_TAG, str(history["device"])), RunTag(PRECISION_TAG, str(history["precision"]))]
    if warnings:
        tags.append(RunTag(TRAINING_WARNINGS_TAG, "; ".join(warning["text"] for warning in warnings)))
    speed = {"train.seconds": history["seconds"], "train.examples_per_second": history["examples_per_second"]}
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in speed.items() if value is not None],
        tags=tags,
    )
