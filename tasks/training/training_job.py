"""All that a training depends on, small enough to be told to another process, and the training itself."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from transformers import TrainerCallback

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitRows, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.models.callbacks import Log, PruneTrial
from assay.models.sample_weights import SampleWeights
from assay.models.training_loop import train
from assay.recipes.recipe import Tuning
from assay.runs.prefect_artifacts import ProgressPage
from assay.runs.run import Run
from assay.tasks.training.progress_callback import PrefectProgress
from assay.tasks.training.remote_checkpoints import PublishCheckpoints
from assay.tasks.tuning.result import Trial
from assay.tasks.tuning.search import falls_behind


class OtherTrials(BaseModel):
    """The trials that a trial is measured against while it goes on."""

    model_config = ConfigDict(frozen=True)

    tuning: Tuning
    trials: list[Trial]


class TrainingJob(BaseModel):
    """One training.

    `run` is the run with the settings to train with as its recipe, and the MLflow run that takes the figures.
    `weights` is where a `SampleWeights` lies; with `rivals`, the training is given up where it falls behind them.
    """

    model_config = ConfigDict(frozen=True)

    run: Run
    snapshot: ArtifactRef[Snapshot]
    splits: ArtifactRef[Splits]
    folder: Path
    weights: Path | None = None
    other_trials: OtherTrials | None = None


def run_training(job: TrainingJob, log: Log) -> None:
    """Train here, as the only process or one of several.

    Raises:
        AssayError: the rows do not fit the heads, the encoder cannot be had, or the loss is no number.
        PrunedTrial: the trial fell behind the others.
    """
    rows, validation_rows = read_splits(job.snapshot, job.splits)
    sample_weights = None if job.weights is None else SampleWeights.load(job.weights)
    train(
        rows,
        validation_rows,
        job.run.recipe.model,
        job.run.recipe.training,
        job.folder,
        log,
        list(_callbacks(job)),
        weights=None if sample_weights is None else sample_weights.of(rows),
        oversample=sample_weights is not None and sample_weights.method == "oversample",
    )


def _callbacks(job: TrainingJob) -> Iterator[TrainerCallback]:
    if job.other_trials is not None:
        yield PruneTrial(partial(falls_behind, job.other_trials.tuning, job.other_trials.trials))
    else:  # trials are many, and some at a time
        yield PrefectProgress(ProgressPage("training", f"{job.run.recipe.name}: steps of the training"))
    if job.run.shared is not None:
        yield PublishCheckpoints(job.run.shared, job.run.store)


def read_splits(snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]) -> tuple[SplitRows, list[Example]]:
    """The rows to learn from, read as they are encoded, and those to decide by, which every epoch is scored on."""
    data, split_of = snapshot.load(), splits.load()
    return split_of.stream(data, "train"), split_of.rows(data, "validation")
