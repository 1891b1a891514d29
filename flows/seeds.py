"""How much of a score is luck: the recipe trained with several seeds on the same sides, scored on validation rows."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from prefect import flow, unmapped
from pydantic import BaseModel

from assay.corpus.errors import AssayError
from assay.flows.runners import chosen_requests, chosen_runner
from assay.recipes.recipe import Recipe
from assay.recipes.training_section import Tuning
from assay.runs.lifecycle import open_run
from assay.tasks.extract import extract
from assay.tasks.split import split
from assay.tasks.trial import Plan, run_trial
from assay.tasks.tuning.result import Trial

KEY = "training.seed"


class SeedScores(BaseModel):
    """The score of each seed: that of the best epoch, or of the last where `training.keep` says so."""

    scores: dict[int, float]

    @property
    def mean(self) -> float:
        """Of all seeds."""
        return statistics.fmean(self.scores.values())

    @property
    def deviation(self) -> float:
        """Sample standard deviation; 0 of a single seed."""
        return statistics.stdev(self.scores.values()) if len(self.scores) > 1 else 0.0


@flow(
    name="seeds",
    flow_run_name="{recipe.name}-seeds",
    persist_result=False,
    result_serializer="json",
    task_runner=chosen_runner(),
)
def train_across_seeds(recipe: Recipe, seeds: Sequence[int], store: Path = Path(".assay")) -> SeedScores:
    """Train once with each seed, at the same time where the task runner allows it; nothing is judged or registered.

    Each training is a nested MLflow run below the open run of the recipe, and done once: begun again, only what is
    missing is trained. The run stays open: a training of the recipe goes on with it, on the same rows and sides, unless
    it begins anew (`fresh`).

    Args:
        recipe: what to train.
        seeds: values of `training.seed`.
        store: folder of runs.

    Raises:
        AssayError: no seed or the same one twice, a loss was no number, or the first error that a person can mend.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise AssayError(f"seeds are {list(seeds)}; name at least one, and each once")
    # A trial gives up where it falls behind others; here there are none.
    alone = Tuning(space={"training.epochs": [recipe.training.epochs]}, pruning=False)
    plans = [Plan(number=seed, settings={KEY: seed}, other_trials=[]) for seed in seeds]
    with chosen_requests(), open_run(recipe, store, keep_open=True) as run:
        snapshot = extract(run)
        splits = split(run, snapshot)
        shared = [unmapped(value) for value in (run, snapshot, splits, alone)]
        trials: list[Trial] = run_trial.map(*shared, plans).result()
    scores = {}
    for trial in trials:
        if trial.score is None:
            raise AssayError(f"training with seed {trial.number} has no score: {trial.why}")
        scores[trial.number] = trial.score
    return SeedScores(scores=scores)
