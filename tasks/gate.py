"""The gate step: check a candidate by the rules of its recipe.

Every check is computed, even after a failure, and a check that raises counts as failed. Nothing is cached: a verdict is
about the current champion and the current machine.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.errors import AssayError
from assay.evaluation.attempts import Attempt
from assay.evaluation.counterfactual_checks import check_counterfactuals
from assay.evaluation.gate_checks.baseline import check_baseline
from assay.evaluation.gate_checks.champion import check_champion
from assay.evaluation.gate_checks.decided_predictions import check_abstained, check_decision
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.gate_checks.label_coverage import check_coverage
from assay.evaluation.gate_checks.precision_at import check_precision_at
from assay.evaluation.gate_checks.recall import check_recall
from assay.evaluation.gate_checks.standard import (
    check_calibration,
    check_data,
    check_latency,
    check_parity,
    check_precision,
    check_rollback,
    check_score,
    check_size,
    check_smoke,
)
from assay.evaluation.run_results import RunResults
from assay.evaluation.slice_checks import check_slices
from assay.evaluation.verdict import Check, Verdict, verdict_markdown
from assay.registry.promotion import registry_of
from assay.runs.prefect_artifacts import show_markdown
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported

logger = logging.getLogger(__name__)

NamedCheck = tuple[str, Callable[[], Check | Sequence[Check]]]


@task(name="gate", cache_policy=NO_CACHE, persist_result=False, result_serializer="json")
@reported("gate")
def gate(run: Run, results: RunResults, attempts: Sequence[Attempt] = ()) -> Verdict:
    """Check the candidate by the rules of the recipe. Changes neither aliases nor files.

    Args:
        run: the run.
        results: results of the steps of the run.
        attempts: the trainings that led to the candidate, for the verdict to report.

    Raises:
        AssayError: candidate, data or registry cannot be read, so that no check is possible.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = GateContext(run.recipe, results, registry_of(run), Path(folder))
        verdict = run_checks(context).model_copy(update={"attempts": list(attempts)})
    current_step().conclude(_summary(verdict))
    show_markdown("verdict", verdict_markdown(verdict), f"{run.recipe.name}: {verdict.outcome}")
    return verdict


def _summary(verdict: Verdict) -> str:
    """Return the outcome in a few words."""
    checks, failed = len(verdict.checks), len(verdict.failed)
    return f"refused: {failed} of {checks} checks failed" if failed else f"{checks} checks passed"


def run_checks(context: GateContext[Any]) -> Verdict:
    """Compute every check that the recipe asks for."""
    checks: list[Check] = []
    for name, compute in _named_checks(context):
        current_step().show(name)
        checks += _run_check(name, compute)
    return Verdict(
        recipe=context.recipe.digest,
        bundle=context.bundle.digest,
        snapshot=context.snapshot.digest,
        splits=context.splits.digest,
        champion=str(context.champion.number) if context.champion else None,
        checks=checks,
        corrected_rows=context.corrected_rows,
    )


def _named_checks(context: GateContext[Any]) -> Iterator[NamedCheck]:
    """Yield every check that the recipe asks for by name, not yet computed."""
    heads, rules = context.recipe.heads, context.rules
    yield "data", partial(check_data, context)
    yield "rollback", partial(check_rollback, context)
    for head in heads:
        yield f"score: {head}", partial(check_score, context, head)
    for head in rules.max_ece:
        yield f"calibration: {head}", partial(check_calibration, context, head)
    for head in rules.min_precision_at:
        yield f"precision at coverage: {head}", partial(check_precision_at, context, head)
    for head, names in rules.min_recall.items():
        for name in names:
            yield f"recall: {name} ({head})", partial(check_recall, context, head, name)
    for head in context.recipe.decision:
        yield f"decision: {head}", partial(check_decision, context, head)
    for head in rules.max_abstain:
        yield f"abstained: {head}", partial(check_abstained, context, head)
    for head in heads:
        yield f"untested: {head}", partial(check_coverage, context, head)
    for head in heads:
        yield f"baseline: {head}", partial(check_baseline, context, head)
    for head in heads:
        yield f"champion: {head}", partial(check_champion, context, head)
    if rules.slices.active:
        yield "slices", lambda: check_slices(context.evaluation.rows, rules.slices, heads)
    if (swaps := rules.counterfactual) is not None:
        yield (
            "counterfactual",
            lambda: check_counterfactuals(context.engine, context.examples, swaps, heads, context.clusters),
        )
    yield "parity", partial(check_parity, context)
    yield "precision", partial(check_precision, context)
    yield "smoke", partial(check_smoke, context)
    if rules.max_p95_ms is not None:
        yield "latency", partial(check_latency, context, rules.max_p95_ms)
    if rules.max_size_mb is not None:
        yield "size", partial(check_size, context, rules.max_size_mb)


def _run_check(name: str, compute: Callable[[], Check | Sequence[Check]]) -> Sequence[Check]:
    try:
        checks = compute()
    except Exception as error:  # fail closed: a check that raises has not been passed
        # An AssayError is complete in one line; any other error is a defect, and its traceback is needed.
        logger.warning("the check %r failed with an error: %s", name, error, exc_info=not isinstance(error, AssayError))
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return [Check(name=name, measured="nothing", required="a result", passed=False, why=reason)]
    return [checks] if isinstance(checks, Check) else checks
