"""The job of a training, which can be passed to another process as JSON."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.recipe import Tuning
from assay.runs.run import Run
from assay.tasks.tuning.result import Trial

ATTACHED = "--attached"  # argument of a process that ends with the one that started it


class OtherTrials(BaseModel):
    """The trials that a trial is compared with for pruning."""

    model_config = ConfigDict(frozen=True)

    tuning: Tuning
    trials: list[Trial]


class TrainingJob(BaseModel):
    """One training.

    Attributes:
        run: the run, with the recipe to train and the MLflow run that takes the metrics.
        snapshot: result of the extraction.
        splits: result of the split.
        folder: folder of the checkpoint.
        weights: folder of a `SampleWeights`. None weighs all rows equally.
        other_trials: trials to compare with for pruning. None: the training is not pruned.
    """

    model_config = ConfigDict(frozen=True)

    run: Run
    snapshot: ArtifactRef[Snapshot]
    splits: ArtifactRef[Splits]
    folder: Path
    weights: Path | None = None
    other_trials: OtherTrials | None = None
