"""The steps of training singly: up to one of them, with nothing judged, registered or moved."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from prefect import flow

from assay.corpus.storage.artifact_ref import Ref
from assay.flows.attempts import searches_first
from assay.flows.runners import chosen_requests, chosen_runner
from assay.recipes.recipe import Recipe
from assay.runs.lifecycle import open_run
from assay.runs.run import Run, Step
from assay.runs.tracking import record_data
from assay.tasks.evaluate import evaluate
from assay.tasks.export import export
from assay.tasks.extract import extract
from assay.tasks.split import split
from assay.tasks.train import train
from assay.tasks.tune import tune
from assay.tasks.validate import validate

SingleStep = Literal["extract", "validate", "split", "tune", "train", "export", "evaluate"]
SINGLE_STEPS: tuple[SingleStep, ...] = get_args(SingleStep)


@flow(
    name="steps",
    flow_run_name="{recipe.name}-until-{until}",
    persist_result=False,
    result_serializer="json",
    task_runner=chosen_runner(),
)
def run_until(
    recipe: Recipe,
    until: SingleStep,
    store: Path = Path(".assay"),
    fresh: bool = False,
    from_step: Step | None = None,
) -> dict[str, Path]:
    """Do the steps of a run up to one of them, and leave the run open: training goes on behind it.

    Args:
        recipe: everything the run depends on.
        until: the last step to do.
        store: folder of runs.
        fresh: begin anew even where an open run exists.
        from_step: do this step and those behind it again, in the newest run of the recipe; the same as `until`
            does that one step only.

    Returns:
        Where the result of each step lies.

    Raises:
        AssayError: the first error that a person can mend.
    """
    results: dict[str, Path] = {}
    with chosen_requests(), open_run(recipe, store, fresh=fresh, from_step=from_step, keep_open=True) as run:
        for step, result in _steps(run, until):
            results[step] = result.path
            if step == until:
                break
    return results


def _steps(run: Run, until: SingleStep) -> Iterator[tuple[SingleStep, Ref]]:
    """Each step when its turn comes, with its result; the search for settings where it comes first or is asked for."""
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
