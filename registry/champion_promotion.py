"""Promotion: a version becomes the champion by its verdict, or a person refuses it.

Only a version whose verdict passed becomes champion (or one with a reason that stays with it), and only in place of the
champion that the verdict compared it with.
"""

import logging

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Verdict
from assay.registry.aliases import CHAMPION, ChampionChanged
from assay.registry.approvals import Approval
from assay.registry.champion_change import change_champion, hold_champion, verify_and_sign
from assay.registry.history import AliasChange
from assay.registry.model_registry import ModelRegistry
from assay.registry.verdict_rules import why_forced
from assay.registry.versions import Version
from assay.runs.tracking import mlflow_reachable

logger = logging.getLogger(__name__)


def promote_version(
    registry: ModelRegistry,
    version: Version,
    verdict: Verdict,
    expected_champion: Version | None,
    reason: str,
    run_key: str | None = None,
    approval: Approval | None = None,
) -> AliasChange | None:
    """Make a version the champion; the present champion becomes `previous`.

    Args:
        registry: the registered model.
        version: a registered version.
        verdict: verdict about its bundle; passed, or with a reason in `forced`.
        expected_champion: the champion that the verdict compared with.
        reason: reason for the history.
        run_key: key of the run that promotes.
        approval: decision of the person who approved it, where one was asked.

    Returns:
        The change, or None if the version is the champion already.

    Raises:
        ChampionChanged: the champion is not (or no longer) the expected one.
        AssayError: the verdict does not allow it, the approval is not for it, or a step failed and was undone.
    """
    forced = why_forced(version, verdict)
    verify_and_sign(registry, version)
    with hold_champion(registry) as lease, mlflow_reachable(registry.tracking_uri):
        if registry.aliases.number(CHAMPION) == version.number:
            logger.info("%s is the champion already", version.address)
            decision = approval or registry.champions.approval_of_promotion(version)
            registry.approvals.write(version, verdict, decision)
            return None
        _check_champion(registry, expected_champion)
        _check_rollbacks(registry, version, verdict, approval)
        registry.approvals.check(version, verdict, approval)
        change = change_champion(
            registry,
            lease,
            version,
            kind="promotion",
            reason=reason,
            verdict=verdict.digest,
            forced=forced,
            run_key=run_key,
            approval=approval,
        )
        registry.approvals.write(version, verdict, approval)
        return change


def refuse_version(registry: ModelRegistry, version: Version, verdict: Verdict, approval: Approval) -> Version:
    """Record that a person refused a version, or that nobody decided in time.

    Raises:
        AssayError: a different decision was recorded before.
    """
    with hold_champion(registry), mlflow_reachable(registry.tracking_uri):
        registry.approvals.check(version, verdict, approval)
        registry.approvals.write(version, verdict, approval)
    return registry.version(version.number)


def _check_champion(registry: ModelRegistry, expected: Version | None) -> None:
    champion, compared = registry.aliases.number(CHAMPION), expected.number if expected else None
    if champion != compared:
        raise ChampionChanged(
            f"{registry.name}: the champion is version {champion}, but the candidate was compared with {compared}; "
            "run the gate again"
        )


def _check_rollbacks(registry: ModelRegistry, version: Version, verdict: Verdict, approval: Approval | None) -> None:
    """Refuse a version that a rollback took down, unless it is forced or was approved since."""
    if (verdict.forced or "").strip():
        return
    if why := registry.champions.why_rolled_back(version.bundle, approval):
        raise AssayError(f"{registry.name}: {why}; train another model, or promote it with --force REASON")
