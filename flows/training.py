"""The training flow: extract, validate, split, tune, train, export, evaluate, gate, promote."""

from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import FlowRun
from pydantic import BaseModel

from assay.corpus.errors import AssayError
from assay.evaluation.attempts import Attempt
from assay.evaluation.run_results import RunResults
from assay.evaluation.verdict import Verdict
from assay.flows.run_limit import exclusive_training
from assay.flows.runners import runner_from_environment, task_resources_from_environment
from assay.flows.training_attempts import best_candidate
from assay.recipes.recipe import Recipe
from assay.registry.aliases import ChampionChanged
from assay.registry.promotion import PromotionResult, effective_verdict
from assay.runs.lifecycle import open_run
from assay.runs.prefect_artifacts import current_flow_run
from assay.runs.run import Run, Step
from assay.runs.tracking import record_data
from assay.tasks.approve import approve
from assay.tasks.evaluate import evaluate
from assay.tasks.extract import extract
from assay.tasks.gate import gate
from assay.tasks.label_review import review_run
from assay.tasks.promote import promote
from assay.tasks.report import report
from assay.tasks.split import split
from assay.tasks.validate import validate

# A champion that changes this often during the comparison is a fault, not a coincidence.
GATE_ATTEMPTS = 3


class TrainingOutcome(BaseModel):
    """The result of a training run, and where its records are."""

    run: str
    mlflow_run: str
    tracking_uri: str
    verdict: Verdict
    promotion: PromotionResult
    evaluation: Path
    card: Path


# Prefect must never persist a result as a pickle.
@flow(
    name="train",
    flow_run_name="train-{recipe.name}",
    retries=0,
    persist_result=False,
    result_serializer="json",
    task_runner=runner_from_environment(),
)
def train(
    recipe: Recipe,
    store: Path = Path(".assay"),
    run_key: str | None = None,
    fresh: bool = False,
    from_step: Step | None = None,
    force: str | None = None,
) -> TrainingOutcome:
    """Train a model, run the gate and, if the model passes, promote it.

    Args:
        recipe: everything the run depends on.
        store: folder of runs, split ledger and, without a tracking server, of MLflow.
        run_key: key of the run to open or resume. None: in a run of a deployment, the id of the flow run, so that the
            next one reads new data; otherwise the open run of this recipe.
        fresh: start a new run even if an open run exists. A flow run that Prefect starts again resumes its run.
        from_step: redo this step and all later ones of the newest run.
        force: reason to promote the model even if the gate refuses it; recorded permanently with the version and in the
            history.

    Raises:
        AssayError: the first error that a user can fix.
    """
    if force is not None and not force.strip():
        raise AssayError("a forced promotion needs a reason; give one, or leave force out")
    if run_key is None and from_step is None:  # from_step refers to an earlier run
        run_key = deployment_key(current_flow_run())
    with (
        exclusive_training(recipe.name, current_flow_run()),
        task_resources_from_environment(),
        open_run(recipe, store, key=run_key, fresh=fresh, from_step=from_step) as run,
    ):
        snapshot = extract(run)
        validation = validate(run, snapshot)
        splits = split(run, snapshot)
        record_data(run, snapshot, splits)
        candidate, attempts = best_candidate(run, snapshot, splits)
        evaluation = evaluate(run, candidate.bundle, snapshot, splits)
        results = RunResults(
            snapshot=snapshot,
            validation=validation,
            splits=splits,
            checkpoint=candidate.checkpoint,
            export=candidate.bundle,
            evaluation=evaluation,
        )
        verdict, promotion = _decide(run, results, attempts, force)
        card = report(run, results, verdict, promotion)
        review_run(run, results, promotion)
        return TrainingOutcome(
            run=run.key,
            mlflow_run=run.mlflow_run,
            tracking_uri=run.tracking_uri,
            verdict=verdict,
            promotion=promotion,
            evaluation=evaluation.path,
            card=card,
        )


def deployment_key(flow_run: FlowRun | None) -> str | None:
    """Return the run key of a flow run of a deployment: the same when Prefect starts it again. None without one."""
    return str(flow_run.id) if flow_run is not None and flow_run.deployment_id is not None else None


def _decide(
    run: Run, results: RunResults, attempts: Sequence[Attempt], force: str | None
) -> tuple[Verdict, PromotionResult]:
    """Gate and promote; if another model became champion meanwhile, run the gate again against that one."""
    for _ in range(GATE_ATTEMPTS):
        verdict = gate(run, results, attempts)
        if verdict.outcome == "refused":
            verdict = verdict.model_copy(update={"forced": force})
        verdict = effective_verdict(run, verdict)
        approval = approve(run, results, verdict)
        try:
            return verdict, promote(run, results, verdict, approval)
        except ChampionChanged:
            continue
    raise AssayError(
        f"the champion of {run.recipe.registry.name} changed {GATE_ATTEMPTS} times during the comparison; "
        "wait for the other runs to end, then start this one again: it resumes at the gate"
    )
