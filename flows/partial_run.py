"""The steps flow: run the steps of training up to one of them, without gate, registration or promotion."""

from collections.abc import Iterator
from pathlib import Path

from prefect import flow

from assay.corpus.storage.artifact_ref import Ref
from assay.flows.runners import runner_from_environment, task_resources_from_environment
from assay.flows.training_attempts import searches_first
from assay.recipes.recipe import Recipe
from assay.runs.lifecycle import open_run
from assay.runs.run import Run, SingleStep, Step
from assay.runs.tracking import record_data
from assay.tasks.evaluate import evaluate
from assay.tasks.export import export
from assay.tasks.extract import extract
from assay.tasks.split import split
from assay.tasks.train import train
from assay.tasks.tune import tune
from assay.tasks.validate import validate


@flow(
    name="steps",
    flow_run_name="{recipe.name}-until-{until}",
    persist_result=False,
    result_serializer="json",
    task_runner=runner_from_environment(),
)
def run_until(
    recipe: Recipe,
    until: SingleStep,
    store: Path = Path(".assay"),
    fresh: bool = False,
    from_step: Step | None = None,
) -> dict[str, Path]:
    """Do the steps of a run up to one of them, and leave the run open, so that training resumes after it.

    Args:
        recipe: everything the run depends on.
        until: the last step to do.
        store: folder of runs.
        fresh: start a new run even if an open run exists.
        from_step: redo this step and all later ones up to `until`, in the newest run of the recipe.

    Returns:
        Path of the result of each step.

    Raises:
        AssayError: the first error that a user can fix.
    """
    results: dict[str, Path] = {}
    with (
        task_resources_from_environment(),
        open_run(recipe, store, fresh=fresh, from_step=from_step, keep_open=True) as run,
    ):
        for step, result in _steps(run, until):
            results[step] = result.path
            if step == until:
                break
    return results


def _steps(run: Run, until: SingleStep) -> Iterator[tuple[SingleStep, Ref]]:
    """Do the steps one by one and yield their results; tune only if the recipe tunes first or `until` asks for it."""
    snapshot = extract(run)
    yield "extract", snapshot
    yield "validate", validate(run, snapshot)
    splits = split(run, snapshot)
    yield "split", splits
    record_data(run, snapshot, splits)
    tuned = tune(run, snapshot, splits) if searches_first(run.recipe) or until == "tune" else None
    if tuned is not None:
        yield "tune", tuned
    checkpoint = train(run, snapshot, splits, tuned)
    yield "train", checkpoint
    bundle = export(run, checkpoint, snapshot, splits)
    yield "export", bundle
    yield "evaluate", evaluate(run, bundle, snapshot, splits)
