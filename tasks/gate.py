"""The gate: whether a candidate has earned its place.

Every check is computed, none stops at the first failure, and a check that raises counts as failed. Nothing
here is cached: a verdict is about the champion and the machine of now.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from corpus.errors import AssayError
from tasks.attempts import Attempt
from tasks.bias import judge_slices
from tasks.counterfactual import judge_counterfactuals
from tasks.judging.baseline import check_baseline
from tasks.judging.case import Case
from tasks.judging.challenge import check_champion
from tasks.judging.checks import (
    check_data,
    check_int8,
    check_latency,
    check_parity,
    check_rollback,
    check_score,
    check_size,
    check_smoke,
)
from tasks.judging.coverage import check_coverage
from tasks.pages import show_markdown
from tasks.run import Ref, Run
from tasks.verdict import Check, Verdict, verdict_markdown

logger = logging.getLogger(__name__)

ToCheck = tuple[str, Callable[[], Check | Sequence[Check]]]


@task(name="gate", cache_policy=NO_CACHE, persist_result=False, result_serializer="json")
def gate(
    run: Run,
    validation: Ref,
    export: Ref,
    evaluation: Ref,
    snapshot: Ref,
    splits: Ref,
    attempts: Sequence[Attempt] = (),
) -> Verdict:
    """Judge the candidate by the recipe's rules. Moves nothing and writes nothing.

    Args:
        run: with the recipe.
        validation: result of the data checks.
        export: the candidate's bundle and what export measured.
        evaluation: the candidate's figures on the test rows.
        snapshot: the data.
        splits: the sides.
        attempts: the trainings that led to the candidate, for the verdict to tell.

    Raises:
        AssayError: candidate, data or registry cannot be read, so that there is nothing to judge.
    """
    with tempfile.TemporaryDirectory() as folder:
        case = Case(run, validation, export, evaluation, snapshot, splits, Path(folder))
        verdict = judge(case).model_copy(update={"attempts": list(attempts)})
    show_markdown("verdict", verdict_markdown(verdict), f"{run.recipe.name}: {verdict.outcome}")
    return verdict


def judge(case: Case) -> Verdict:
    """Compute every check of the case."""
    checks = [check for name, make in _attempts(case) for check in _attempt(name, make)]
    return Verdict(
        recipe=case.run.recipe.digest,
        bundle=case.bundle.digest,
        snapshot=case.snapshot.digest,
        splits=case.splits.digest,
        champion=str(case.champion.number) if case.champion else None,
        checks=checks,
    )


def _attempts(case: Case) -> Iterator[ToCheck]:
    """Every check that the recipe asks for, by name, not yet computed."""
    heads, rules = case.run.recipe.heads, case.rules
    yield "data", partial(check_data, case)
    yield "rollback", partial(check_rollback, case)
    for head in heads:
        yield f"score: {head}", partial(check_score, case, head)
    for head in heads:
        yield f"untested: {head}", partial(check_coverage, case, head)
    for head in heads:
        yield f"baseline: {head}", partial(check_baseline, case, head)
    for head in heads:
        yield f"champion: {head}", partial(check_champion, case, head)
    if rules.slices.active:
        yield "slices", lambda: judge_slices(case.evaluation.rows, rules.slices, heads)
    if (swaps := rules.counterfactual) is not None:
        yield "counterfactual", lambda: judge_counterfactuals(case.engine, case.examples, swaps, heads, case.clusters)
    yield "parity", partial(check_parity, case)
    yield "int8", partial(check_int8, case)
    yield "smoke", partial(check_smoke, case)
    if rules.max_p95_ms is not None:
        yield "latency", partial(check_latency, case, rules.max_p95_ms)
    if rules.max_size_mb is not None:
        yield "size", partial(check_size, case, rules.max_size_mb)


def _attempt(name: str, make: Callable[[], Check | Sequence[Check]]) -> Sequence[Check]:
    try:
        made = make()
    except Exception as error:  # fail closed: whatever goes wrong in a check, it has not been passed
        # An AssayError says all in its line; anything else is a fault of ours, and its traceback is needed.
        logger.warning("the check %r could not be made: %s", name, error, exc_info=not isinstance(error, AssayError))
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return [Check(name=name, measured="nothing", required="an answer", passed=False, why=reason)]
    return [made] if isinstance(made, Check) else made
