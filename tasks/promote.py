"""The promotion step: register a candidate and, if the verdict allows it, make it the champion."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.errors import AssayError
from assay.evaluation.run_results import RunResults
from assay.evaluation.verdict import Verdict
from assay.registry.approvals import Approval, needs_approval
from assay.registry.champion_promotion import promote_version
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult, apply_verdict, register_candidate, registry_of
from assay.registry.verdict_rules import failed_names
from assay.registry.versions import Version
from assay.runs.events import PENDING, REFUSED, emit, model_resource
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.runs.tags import RUN_TAG


@task(name="promote", cache_policy=NO_CACHE)
@reported("promote")
def promote(
    run: Run,
    results: RunResults,
    verdict: Verdict,
    approval: Approval | None = None,
) -> PromotionResult:
    """Register the candidate and, if the verdict allows it, make it the champion.

    A refused candidate is registered, too, so that its verdict is kept. A repeated call changes nothing.

    Args:
        run: the run.
        results: results of the steps of the run.
        verdict: verdict of the gate.
        approval: result of `assay.tasks.approve.approve`.

    Raises:
        ChampionChanged: the verdict was about another champion; the gate must run again.
        AssayError: MLflow cannot be reached, an approval is missing, or a step failed and was rolled back.
    """
    result = _promote(run, results, verdict, approval)
    current_step().conclude(result.why.partition(": ")[0])
    return result


def _promote(run: Run, results: RunResults, verdict: Verdict, approval: Approval | None) -> PromotionResult:
    if run.recipe.run_mode == "dry_run":
        return PromotionResult(version=None, promoted=False, why=f"dry run: {verdict.outcome}, nothing registered")
    current_step().show("uploading the model")
    registry = registry_of(run)
    champion = registry.champion()
    if champion is not None and champion.bundle == verdict.bundle:
        return _keep_champion(registry, champion, verdict, approval, run.key)
    if approval is None:
        if needs_approval(run.recipe, verdict):
            raise AssayError(f"{registry.name}: gate.approval is required, but there is no approval; run it again")
        version = register_candidate(run, results, verdict)
    else:
        version = registry.find(verdict.bundle) or register_candidate(run, results, verdict, approval)
    result = apply_verdict(registry, version, verdict, approval, run.key)
    if not result.promoted:  # the change of the alias emits the event of a promotion
        _emit_result(result, version, verdict)
    return result


def _keep_champion(
    registry: ModelRegistry, champion: Version, verdict: Verdict, approval: Approval | None, run_key: str
) -> PromotionResult:
    """Return the result for a candidate that is already the champion, and keep the record of its promotion.

    This happens after a kill right after the promotion, and if a later run produces the same bundle.
    """
    if not verdict.allows:
        why = f"refused: {failed_names(verdict)}; an earlier verdict made it champion, and it stays so until a rollback"
        return PromotionResult(version=champion, promoted=False, why=why)
    why = "it was the champion already"
    promote_version(registry, champion, verdict, champion, why, run_key, approval)
    return PromotionResult(version=registry.version(champion.number), promoted=True, why=why)


def _emit_result(result: PromotionResult, version: Version, verdict: Verdict) -> None:
    payload = {
        "summary": f"version {version.number}: {result.why}",
        "address": version.address,
        "failed": {check.name: check.why for check in verdict.failed},
        "run": version.tags.get(RUN_TAG),
    }
    emit(PENDING if result.pending else REFUSED, model_resource(version.name), version.name, payload)
