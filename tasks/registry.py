"""The step that registers a candidate and, if the verdict allows it, promotes it."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from corpus.errors import AssayError
from corpus.splits import Splits
from tasks.announcing import PENDING, REFUSED, announce, model_resource
from tasks.run import Ref, Run
from tasks.verdict import Verdict
from tasks.versions.aliases import ChampionChanged
from tasks.versions.approvals import FAILED_TAG, Approval, needs_approval
from tasks.versions.history import Move, shortened
from tasks.versions.registry import BUNDLE, ModelRegistry, failed_names
from tasks.versions.row_sample import sample_rows
from tasks.versions.store import Version
from tasks.versions.tags import RECIPE_NAME_TAG, RUN_TAG, SNAPSHOT_TAG, SPLITS_TAG, TEST_ROWS_TAG

__all__ = ["ChampionChanged", "ModelRegistry", "Move", "PromotionResult", "Version", "promote"]


class PromotionResult(BaseModel):
    """What became of a candidate. `version` is None after a dry run, which registers nothing.

    `pending`: it waits for a person's approval.
    """

    model_config = ConfigDict(frozen=True)

    version: Version | None
    promoted: bool
    why: str
    pending: bool = False


@task(name="promote", cache_policy=NO_CACHE)
def promote(
    run: Run, export: Ref, evaluation: Ref, verdict: Verdict, splits: Ref, approval: Approval | None = None
) -> PromotionResult:
    """Register the candidate and, if the verdict allows it, make it the champion.

    A refused candidate is registered too, so that its verdict is kept. A repeated call changes nothing.

    Args:
        run: with the recipe.
        export: the candidate's bundle.
        evaluation: its figures, kept for the record of what was judged.
        verdict: the gate's answer.
        splits: the sides, for the ledger that they remember.
        approval: what `tasks.approval.approve` gave.

    Raises:
        ChampionChanged: the verdict was about another champion; the gate has to run again.
        AssayError: MLflow cannot be reached, an approval is missing, or a step failed and was undone.
    """
    if run.recipe.run_mode == "dry_run":
        return PromotionResult(version=None, promoted=False, why=f"dry run: {verdict.outcome}, nothing registered")
    registry = registry_of(run)
    champion = registry.champion()
    if champion is not None and champion.bundle == verdict.bundle:
        return _stays(registry, champion, verdict, approval, run.key)
    if approval is None:
        if needs_approval(run.recipe, verdict):
            raise AssayError(f"{registry.name}: gate.approval is required, but nobody was asked; run it again")
        version = register(run, export, evaluation, verdict, splits)
    else:
        version = registry.find(verdict.bundle) or register(run, export, evaluation, verdict, splits, approval)
    result = settle(registry, version, verdict, approval, run.key)
    if not result.promoted:  # a promotion is announced where the alias moves
        _announce(result, version, verdict)
    return result


def _stays(
    registry: ModelRegistry, champion: Version, verdict: Verdict, approval: Approval | None, run_key: str
) -> PromotionResult:
    """What becomes of a candidate that is the champion: what it was promoted on stays written on it.

    A run killed behind its promotion is judged again, and so is what a later run makes a second time.
    """
    if not verdict.allows:
        why = f"refused: {failed_names(verdict)}; an earlier verdict made it champion, and it stays so until a rollback"
        return PromotionResult(version=champion, promoted=False, why=why)
    why = "it was the champion already"
    registry.promote(champion, verdict, champion, why, run_key, approval)
    return PromotionResult(version=registry.version(champion.number), promoted=True, why=why)


def lasting_verdict(run: Run, verdict: Verdict) -> Verdict:
    """The verdict that the candidate's version carries, where a new one adds nothing to it; else the new one.

    A run that goes on behind its gate, killed or answered meanwhile, is judged again. A candidate that serves by now
    is compared with itself then, which says nothing; and what a person was asked about differs by a latency only.

    Args:
        run: with the recipe.
        verdict: what the gate says now.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    if run.recipe.run_mode == "dry_run" or not verdict.allows:
        return verdict
    registry = registry_of(run)
    version = registry.find(verdict.bundle)
    kept = registry.tagged_verdict(version) if version else None
    if version is None or kept is None or not kept.allows:
        return verdict
    champion = registry.champion()
    serves = champion is not None and champion.number == version.number
    repeated = (version.tags.get(RUN_TAG), kept.subject) == (run.key, verdict.subject)
    return kept if serves or (repeated and "gate" not in run.fresh_steps) else verdict


def register(
    run: Run, export: Ref, evaluation: Ref, verdict: Verdict, splits: Ref, approval: Approval | None = None
) -> Version:
    """Make the candidate a version; `approval` is what a person is asked about it."""
    rows = Splits.load(splits.path)
    tags = {
        SNAPSHOT_TAG: verdict.snapshot,
        SPLITS_TAG: verdict.splits,
        TEST_ROWS_TAG: sample_rows(rows.ids("test")),
        "assay.recipe": run.recipe.digest,
        RECIPE_NAME_TAG: run.recipe.name,
        "assay.ledger": rows.manifest.ledger or "",
        "assay.evaluation": evaluation.digest,
        RUN_TAG: run.key,
    }
    if verdict.outcome == "refused":
        tags[FAILED_TAG] = shortened(failed_names(verdict))
    return registry_of(run).register(run.mlflow_run, export.path / BUNDLE, verdict, tags, approval=approval)


def settle(
    registry: ModelRegistry, version: Version, verdict: Verdict, approval: Approval | None, run_key: str | None
) -> PromotionResult:
    """Promote a registered version, or say why not.

    Args:
        registry: of the model.
        version: of the candidate.
        verdict: about it.
        approval: what a person was asked and answered; None where nobody had to be.
        run_key: of the run that made the candidate.

    Raises:
        ChampionChanged: the verdict was about another champion.
        AssayError: it was answered otherwise before, or a step failed and was undone.
    """
    if not verdict.allows:
        return PromotionResult(version=version, promoted=False, why=f"refused: {failed_names(verdict)}")
    if approval is not None and approval.open:
        why = f"{approval}: assay approve {version.name} --version {version.number} --approver YOUR_NAME"
        return PromotionResult(version=version, promoted=False, why=why, pending=True)
    if approval is not None and approval.state != "approved":
        answer = approval.expire()
        return PromotionResult(version=registry.refuse(version, verdict, answer), promoted=False, why=str(answer))
    if not verdict.forced and (rolled_back := registry.why_rolled_back(version.bundle, approval)):
        return PromotionResult(version=version, promoted=False, why=f"refused: {rolled_back}")
    expected = registry.version(verdict.champion) if verdict.champion else None
    reason = f"recipe {version.tags.get(RECIPE_NAME_TAG, '?')}: {_merit(verdict)}"
    move = registry.promote(version, verdict, expected, reason, run_key, approval)
    why = f"champion instead of version {move.source}" if move and move.source else "champion"
    version = registry.version(version.number)
    return PromotionResult(version=version, promoted=True, why=why if move else "it was the champion already")


def _announce(result: PromotionResult, version: Version, verdict: Verdict) -> None:
    facts = {"failed": {check.name: check.why for check in verdict.failed}, "run": version.tags.get(RUN_TAG)}
    payload = {"summary": f"version {version.number}: {result.why}", "address": version.address, **facts}
    announce(PENDING if result.pending else REFUSED, model_resource(version.name), version.name, payload)


def registry_of(run: Run) -> ModelRegistry:
    """The registered model of a run's recipe."""
    return ModelRegistry(run.recipe.registry.name, run.tracking_uri, run.store)


def _merit(verdict: Verdict) -> str:
    judged = sum(check.judged for check in verdict.checks)
    return f"passed {judged} checks" if verdict.outcome == "passed" else f"forced: {verdict.forced}"
