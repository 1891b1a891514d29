"""All that a training depends on, small enough to be told to another process, and the training itself."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from transformers import TrainerCallback

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SideRows, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.object_store import shared_store
from assay.models.callbacks import GiveUp, Log
from assay.models.sample_weights import RowWeights
from assay.models.training_loop import train
from assay.recipes.recipe import Tuning
from assay.runs.prefect_artifacts import ProgressPage
from assay.runs.run import Run
from assay.tasks.training.progress_callback import Progress
from assay.tasks.training.remote_checkpoints import PublishCheckpoints
from assay.tasks.tuning.result import Trial
from assay.tasks.tuning.search import falls_behind


class Rivals(BaseModel):
    """The trials that a trial is measured against while it goes on."""

    model_config = ConfigDict(frozen=True)

    tuning: Tuning
    trials: list[Trial]


class Job(BaseModel):
    """One training.

    `run` is the run with the settings to train with as its recipe, and the MLflow run that takes the figures.
    `weights` is where a `RowWeights` lies; with `rivals`, the training is given up where it falls behind them.
    """

    model_config = ConfigDict(frozen=True)

    run: Run
    snapshot: ArtifactRef[Snapshot]
    splits: ArtifactRef[Splits]
    folder: Path
    weights: Path | None = None
    rivals: Rivals | None = None


def learn(job: Job, log: Log) -> None:
    """Train here, as the only process or one of several.

    Raises:
        AssayError: the rows do not fit the heads, the encoder cannot be had, or the loss is no number.
        GivenUp: the trial fell behind the others.
    """
    rows, validation_rows = read_sides(job.snapshot, job.splits)
    emphasis = None if job.weights is None else RowWeights.load(job.weights)
    train(
        rows,
        validation_rows,
        job.run.recipe.model,
        job.run.recipe.training,
        job.folder,
        log,
        list(_callbacks(job)),
        weights=None if emphasis is None else emphasis.of(rows),
        oversample=emphasis is not None and emphasis.method == "oversample",
    )


def _callbacks(job: Job) -> Iterator[TrainerCallback]:
    if job.rivals is not None:
        yield GiveUp(partial(falls_behind, job.rivals.tuning, job.rivals.trials))
    else:  # trials are many, and some at a time
        yield Progress(ProgressPage("training", f"{job.run.recipe.name}: steps of the training"))
    if (shared := shared_store()) is not None:
        yield PublishCheckpoints(shared, job.run.store)


def read_sides(snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]) -> tuple[SideRows, list[Example]]:
    """The rows to learn from, read as they are encoded, and those to decide by, which every epoch is scored on."""
    data, sides = snapshot.load(), splits.load()
    return sides.stream(data, "train"), sides.rows(data, "validation")
