"""The tuning step: search for better settings of model and training. Only validation rows are used for scoring."""

import time
from collections.abc import Sequence
from pathlib import Path

from mlflow.entities import Metric, RunTag
from prefect import task, unmapped
from prefect.cache_policies import NO_CACHE

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.recipe import Tuning
from assay.runs.mlflow_client import connect
from assay.runs.prefect_artifacts import in_prefect_run
from assay.runs.run import Run
from assay.runs.step_progress import current_step, note, reported
from assay.runs.tags import BEST_TRIAL_TAG, TUNED_TAG
from assay.runs.tracking import mlflow_reachable
from assay.tasks.train import training_inputs
from assay.tasks.trial import Plan, run_trial
from assay.tasks.tuning.result import TUNING, Trial, TuningResult


@task(name="tune", cache_policy=NO_CACHE)
@reported("tune")
def tune(
    run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits], attempt: int = 0
) -> ArtifactRef[TuningResult]:
    """Search the space of the recipe's section `tuning` for the settings with the best score.

    Every trial is a step of its own: a killed search does not repeat finished trials, and a further attempt continues
    with the trials of the earlier attempts.

    Args:
        run: the run.
        snapshot: result of the extraction.
        splits: result of the split.
        attempt: 0 for the first search; each further one adds `tuning.trials` trials.

    Returns:
        A folder with a `TuningResult`, and with the best settings as a part of a recipe.

    Raises:
        AssayError: the recipe has no section `tuning`, or no trial has finished.
    """
    tuning = run.recipe.tuning
    if tuning is None:
        raise AssayError(f"{run.recipe.name} has no section tuning; add tuning.space to the recipe")
    count = tuning.trials * (attempt + 1)
    inputs = {
        **training_inputs(run.recipe, snapshot, splits),
        "tuning": tuning.model_dump(mode="json"),
        "trials": count,
    }

    def make(folder: Path) -> None:
        result = TuningResult.of(_search(run, snapshot, splits, tuning, count))
        result.save(folder)
        _log_result(run, result, folder / TUNING)

    tuned = run.once("tune", inputs, make).to(TuningResult)
    result = tuned.load()
    note(f"best settings of {count} trials: " + " ".join(f"--set {override}" for override in result.overrides))
    current_step().conclude(f"score {result.best.score:.3f}, the best of {count} trials")
    return tuned


def _search(
    run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits], tuning: Tuning, count: int
) -> list[Trial]:
    from assay.tasks.tuning.search import propose  # imports Optuna, which only a search needs

    trials: list[Trial] = []
    while len(trials) < count:
        proposals = propose(run.recipe, tuning, trials, min(tuning.parallel, count - len(trials)))
        plans = [
            Plan(number=number, settings=settings, other_trials=trials)
            for number, settings in enumerate(proposals, start=len(trials))
        ]
        current_step().show(_position(trials, len(plans), count), len(trials) / count)
        trials += _run_trials(run, snapshot, splits, tuning, plans)
    return trials


def _position(trials: Sequence[Trial], running: int, count: int) -> str:
    """Return which trials are running, and the best score so far, in a few words."""
    first, last = len(trials) + 1, len(trials) + running
    numbers = f"trial {first}" if running == 1 else f"trials {first} to {last}"
    scores = [trial.score for trial in trials if trial.score is not None]
    return f"{numbers} of {count}" + (f"  best score {max(scores):.3f}" if scores else "")


def _run_trials(
    run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits], tuning: Tuning, plans: Sequence[Plan]
) -> list[Trial]:
    """Run a single trial in this process, and several through the task runner of the flow."""
    if not in_prefect_run():
        return [run_trial.fn(run, snapshot, splits, tuning, plan) for plan in plans]
    if len(plans) == 1:
        return [run_trial(run, snapshot, splits, tuning, plans[0])]
    shared = [unmapped(value) for value in (run, snapshot, splits, tuning)]
    return list(run_trial.map(*shared, plans).result())


def _log_result(run: Run, result: TuningResult, file: Path) -> None:
    """Log the score of each trial as a curve, the best settings as tags, and the whole result as a file.

    Tags are used since the parameters of an MLflow run cannot change; those of the trials are in their nested runs.
    """
    now = int(time.time() * 1000)
    scores = [
        Metric("tuning.score", trial.score, now, trial.number) for trial in result.trials if trial.score is not None
    ]
    settings = [RunTag(f"tuned.{key}", str(value)) for key, value in result.best.settings.items()]
    best = [RunTag(TUNED_TAG, " ".join(result.overrides)), RunTag(BEST_TRIAL_TAG, str(result.best.number))]
    with mlflow_reachable(run.tracking_uri):
        client = connect(run.tracking_uri)
        client.log_batch(run.mlflow_run, metrics=scores, tags=settings + best)
        client.log_artifact(run.mlflow_run, str(file))
