"""The seeds flow: train a recipe with several seeds on the same splits, to measure the variance of its score."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from prefect import flow, unmapped
from pydantic import BaseModel

from assay.corpus.errors import AssayError
from assay.corpus.plural import counted
from assay.flows.runners import runner_from_environment, task_resources_from_environment
from assay.recipes.recipe import Recipe
from assay.recipes.training_section import Tuning
from assay.runs.lifecycle import open_run
from assay.runs.step_progress import step_progress
from assay.tasks.extract import extract
from assay.tasks.split import split
from assay.tasks.trial import Plan, run_trial
from assay.tasks.tuning.result import Trial

KEY = "training.seed"


class SeedScores(BaseModel):
    """The validation score of each seed, of the epoch that `training.keep` selects."""

    scores: dict[int, float]

    @property
    def mean(self) -> float:
        """Return the mean score of all seeds."""
        return statistics.fmean(self.scores.values())

    @property
    def deviation(self) -> float:
        """Return the sample standard deviation of the scores; 0 for a single seed."""
        return statistics.stdev(self.scores.values()) if len(self.scores) > 1 else 0.0


@flow(
    name="seeds",
    flow_run_name="{recipe.name}-seeds",
    persist_result=False,
    result_serializer="json",
    task_runner=runner_from_environment(),
)
def train_across_seeds(recipe: Recipe, seeds: Sequence[int], store: Path = Path(".assay")) -> SeedScores:
    """Train once with each seed, in parallel if the task runner allows it, without gate or registration.

    Each training is a nested MLflow run of the open run of the recipe. When started again, only the missing trainings
    are done. The run stays open: a training of the recipe resumes it, on the same rows and splits, unless it starts a
    new one (`fresh`).

    Args:
        recipe: what to train.
        seeds: values of `training.seed`.
        store: folder of runs.

    Raises:
        AssayError: there is no seed or a duplicate, a loss was not finite, or the first error that a user can fix.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise AssayError(f"seeds are {list(seeds)}; name at least one, and each only once")
    # Each seed trains to the end: trials are not pruned against each other.
    tuning = Tuning(space={"training.epochs": [recipe.training.epochs]}, pruning=False)
    plans = [Plan(number=seed, settings={KEY: seed}, other_trials=[]) for seed in seeds]
    with task_resources_from_environment(), open_run(recipe, store, keep_open=True) as run:
        snapshot = extract(run)
        splits = split(run, snapshot)
        shared = [unmapped(value) for value in (run, snapshot, splits, tuning)]
        trials: list[Trial] = []
        with step_progress("train") as progress:
            futures = run_trial.map(*shared, plans)
            for number, future in enumerate(futures, start=1):
                progress.show(f"seed {number} of {len(plans)}", (number - 1) / len(plans))
                trials.append(future.result())
            progress.conclude(counted(len(trials), "seed"))
    scores = {}
    for trial in trials:
        if trial.score is None:
            raise AssayError(
                f"the training with seed {trial.number} has no score: {trial.why}; lower training.learning_rate, or "
                "run it again"
            )
        scores[trial.number] = trial.score
    return SeedScores(scores=scores)
