"""All that a training depends on, small enough to be told to another process, and the training itself."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from transformers import TrainerCallback

from corpus.example import Example
from corpus.snapshot import Snapshot
from corpus.splits import SideRows, Splits
from models.callbacks import GiveUp, Log
from models.training import train
from recipes.recipe import Tuning
from tasks.pages import ProgressPage
from tasks.run import Ref, Run
from tasks.sharing.checkpoints import PublishCheckpoints
from tasks.sharing.store import shared_store
from tasks.training.progress import Progress
from tasks.tuning.result import Trial
from tasks.tuning.search import falls_behind
from tasks.weights import RowWeights


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
    snapshot: Ref
    splits: Ref
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


def read_sides(snapshot: Ref, splits: Ref) -> tuple[SideRows, list[Example]]:
    """The rows to learn from, read as they are encoded, and those to decide by, which every epoch is scored on."""
    data, sides = Snapshot.load(snapshot.path), Splits.load(splits.path)
    return sides.stream(data, "train"), sides.rows(data, "validation")
