"""Run a training job in this process. Imports torch."""

from collections.abc import Iterator
from functools import partial

from transformers import TrainerCallback

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitRows, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.models.callbacks import Log, PruneTrial
from assay.models.sample_weights import SampleWeights
from assay.models.training_loop import train
from assay.runs.prefect_artifacts import ProgressArtifact
from assay.tasks.training.progress_callback import TrainingProgress
from assay.tasks.training.remote_checkpoints import PublishCheckpoints
from assay.tasks.training.training_job import TrainingJob
from assay.tasks.tuning.search import should_prune


def run_training_job(job: TrainingJob, log: Log) -> None:
    """Train in this process, as the only one or one of several.

    Raises:
        AssayError: the rows do not suit the heads, the encoder could not be downloaded, or the loss is not finite.
        PrunedTrial: the trial fell below the other trials.
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
        yield PruneTrial(partial(should_prune, job.other_trials.tuning, job.other_trials.trials))
    else:  # many trials may run at the same time, so they show no progress
        yield TrainingProgress(ProgressArtifact("training", f"{job.run.recipe.name}: steps of the training"))
    if job.run.shared is not None:
        yield PublishCheckpoints(job.run.shared, job.run.store)


def read_splits(snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]) -> tuple[SplitRows, list[Example]]:
    """Return the training rows as a stream, and the validation rows, which every epoch is scored on."""
    data, loaded = snapshot.load(), splits.load()
    return loaded.stream(data, "train"), loaded.rows(data, "validation")
