"""The trial step: train with the settings of one trial, in a nested MLflow run of the pipeline's run."""

import shutil
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.atomic import PARTIAL
from assay.models.checkpoint import Checkpoint
from assay.models.training_stops import NonFiniteLoss, PrunedTrial
from assay.recipes.recipe import Tuning
from assay.recipes.training_section import Setting
from assay.recipes.tuned_settings import apply_settings
from assay.runs.metric_logging import MetricLog, nested_metric_log
from assay.runs.run import Run
from assay.runs.tags import TRIAL_TAG
from assay.tasks.train import training_inputs
from assay.tasks.training.launcher import launch_training
from assay.tasks.training.training_job import OtherTrials, TrainingJob
from assay.tasks.tuning.result import State, Trial

TRIAL = "trial.json"
NETWORK = "network"


class Plan(BaseModel):
    """The settings of a trial, and the other trials that it is compared with for pruning."""

    model_config = ConfigDict(frozen=True)

    number: int
    settings: dict[str, Setting]
    other_trials: list[Trial]


@task(name="trial", task_run_name="trial {plan.number}", cache_policy=NO_CACHE, result_serializer="json")
def run_trial(
    run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits], tuning: Tuning, plan: Plan
) -> Trial:
    """Train with the settings of the plan; a finished trial is reused, and a killed one resumes.

    Args:
        run: the run.
        snapshot: result of the extraction.
        splits: result of the split; test rows are not read.
        tuning: section `tuning` of the recipe.
        plan: settings to try.

    Raises:
        AssayError: the settings do not go together, or the training failed.
    """
    changes: dict[str, Setting] = {} if tuning.epochs is None else {"training.epochs": tuning.epochs}
    recipe = apply_settings(run.recipe, plan.settings | changes)
    other_trials = plan.other_trials if tuning.pruning else []
    inputs = {
        **training_inputs(recipe, snapshot, splits),
        "number": plan.number,
        "other_trials": [trial.model_dump(mode="json") for trial in other_trials],
    }

    def make(folder: Path) -> None:
        step = folder.name.removesuffix(PARTIAL)
        with nested_metric_log(run, step, f"trial {plan.number}", plan.settings | changes) as log:
            job = TrainingJob(
                run=run.model_copy(update={"recipe": recipe, "mlflow_run": log.run_id}),
                snapshot=snapshot,
                splits=splits,
                folder=folder / NETWORK,
                other_trials=OtherTrials(tuning=tuning, trials=other_trials),
            )
            state, scores, why = _train(job, log)
            trial = Trial(
                number=plan.number,
                settings=plan.settings,
                state=state,
                scores=scores,
                why=why,
                keep=recipe.training.keep,
            )
            _log_end(log, trial)
        (folder / TRIAL).write_text(trial.model_dump_json(indent=2), encoding="utf-8")
        shutil.rmtree(folder / NETWORK)

    result = run.once("trial", inputs, make, resumable=True)
    return Trial.model_validate_json((result.path / TRIAL).read_bytes())


def _train(job: TrainingJob, log: MetricLog) -> tuple[State, list[float], str]:
    """Train, and return the state, the score after each epoch, and the reason if the trial did not finish."""
    job.folder.mkdir(exist_ok=True)
    try:
        launch_training(job, log)
    except PrunedTrial as pruned:
        return "pruned", pruned.scores, "below the median of the other trials"
    except NonFiniteLoss as non_finite:
        return "failed", [], str(non_finite)
    return "finished", [epoch["score"] for epoch in Checkpoint.load(job.folder).history["epochs"]], ""


def _log_end(log: MetricLog, trial: Trial) -> None:
    log.client.set_tag(log.run_id, TRIAL_TAG, trial.state)
    if trial.score is not None:
        log.add({"score": trial.score}, step=0)
