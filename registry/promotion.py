"""Register a candidate and apply its verdict."""

from pydantic import BaseModel, ConfigDict

from assay.evaluation.export_report import BUNDLE
from assay.evaluation.row_sample import sample_rows
from assay.evaluation.run_results import RunResults
from assay.evaluation.verdict import Verdict
from assay.registry.approvals import Approval
from assay.registry.champion_promotion import promote_version, refuse_version
from assay.registry.history import shortened
from assay.registry.model_registry import ModelRegistry
from assay.registry.registration import register_bundle
from assay.registry.verdict_rules import failed_names
from assay.registry.versions import Version
from assay.runs.run import Run
from assay.runs.tags import (
    EVALUATION_TAG,
    FAILED_TAG,
    LEDGER_TAG,
    RECIPE_DIGEST_TAG,
    RECIPE_TAG,
    RUN_TAG,
    SNAPSHOT_TAG,
    SPLITS_TAG,
    TEST_ROWS_TAG,
)


class PromotionResult(BaseModel):
    """Outcome of a candidate. `version` is None after a dry run, which registers nothing.

    `pending`: it waits for approval by a person.
    """

    model_config = ConfigDict(frozen=True)

    version: Version | None
    promoted: bool
    why: str
    pending: bool = False


def effective_verdict(run: Run, verdict: Verdict) -> Verdict:
    """Return the verdict that the candidate's version carries if the new one adds nothing to it, else the new one.

    The gate runs again in a run that is resumed after it, because it was killed or suspended for an approval. A
    candidate that serves by then would be compared with itself, which says nothing; and the verdict that a person was
    asked about would differ by a latency only.

    Args:
        run: the run of the candidate.
        verdict: the new verdict of the gate.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    if run.recipe.run_mode == "dry_run" or not verdict.allows:
        return verdict
    registry = registry_of(run)
    version = registry.find(verdict.bundle)
    earlier = registry.tagged_verdict(version) if version else None
    if version is None or earlier is None or not earlier.allows:
        return verdict
    champion = registry.champion()
    serves = champion is not None and champion.number == version.number
    repeated = (version.tags.get(RUN_TAG), earlier.approval_key) == (run.key, verdict.approval_key)
    return earlier if serves or (repeated and "gate" not in run.fresh_steps) else verdict


def register_candidate(
    run: Run,
    results: RunResults,
    verdict: Verdict,
    approval: Approval | None = None,
) -> Version:
    """Make the candidate a version; a version with an `approval` to decide is pending."""
    splits = results.splits.load()
    tags = {
        SNAPSHOT_TAG: verdict.snapshot,
        SPLITS_TAG: verdict.splits,
        TEST_ROWS_TAG: sample_rows(splits.ids("test")),
        RECIPE_TAG: run.recipe.name,
        RECIPE_DIGEST_TAG: run.recipe.digest,
        LEDGER_TAG: splits.manifest.ledger or "",
        EVALUATION_TAG: results.evaluation.digest,
        RUN_TAG: run.key,
    }
    if verdict.outcome == "refused":
        tags[FAILED_TAG] = shortened(failed_names(verdict))
    return register_bundle(registry_of(run), run.mlflow_run, results.export.path / BUNDLE, verdict, tags, approval)


def apply_verdict(
    registry: ModelRegistry, version: Version, verdict: Verdict, approval: Approval | None, run_key: str | None
) -> PromotionResult:
    """Promote a registered version, or report why not.

    Args:
        registry: the registered model.
        version: version of the candidate.
        verdict: verdict about it.
        approval: approval by a person, with or without a decision; None if none is required.
        run_key: key of the run that made the candidate.

    Raises:
        ChampionChanged: the verdict compared with another champion.
        AssayError: a different decision was recorded before, or a step failed and was undone.
    """
    if not verdict.allows:
        return PromotionResult(version=version, promoted=False, why=f"refused: {failed_names(verdict)}")
    if approval is not None and approval.open:
        why = f"{approval}: assay approve {version.name} --version {version.number} --approver YOUR_NAME"
        return PromotionResult(version=version, promoted=False, why=why, pending=True)
    if approval is not None and approval.state != "approved":
        refusal = approval.expire()
        version = refuse_version(registry, version, verdict, refusal)
        return PromotionResult(version=version, promoted=False, why=str(refusal))
    if not verdict.forced and (rolled_back := registry.why_rolled_back(version.bundle, approval)):
        return PromotionResult(version=version, promoted=False, why=f"refused: {rolled_back}")
    expected = registry.version(verdict.champion) if verdict.champion else None
    reason = f"recipe {version.tags.get(RECIPE_TAG, '?')}: {_summary(verdict)}"
    change = promote_version(registry, version, verdict, expected, reason, run_key, approval)
    why = f"champion instead of version {change.source}" if change and change.source else "champion"
    version = registry.version(version.number)
    return PromotionResult(version=version, promoted=True, why=why if change else "it was the champion already")


def registry_of(run: Run) -> ModelRegistry:
    """Return the registered model of a run's recipe."""
    return ModelRegistry(run.recipe.registry.name, run.tracking_uri, run.store, shared=run.shared)


def _summary(verdict: Verdict) -> str:
    tested = sum(check.tested for check in verdict.checks)
    return f"passed {tested} checks" if verdict.outcome == "passed" else f"forced: {verdict.forced}"
