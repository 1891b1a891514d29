"""Rollback: an earlier champion becomes the champion again."""

import logging

from assay.corpus.errors import AssayError
from assay.registry.champion_change import change_champion, hold_champion, verify_and_sign
from assay.registry.history import AliasChange
from assay.registry.model_registry import ModelRegistry
from assay.registry.versions import Version
from assay.runs.tracking import mlflow_reachable

logger = logging.getLogger(__name__)


def roll_back(registry: ModelRegistry, to: str | None, reason: str, run_key: str | None = None) -> AliasChange:
    """Make an earlier champion the champion again.

    Args:
        registry: the registered model.
        to: number of a version that was champion before; None takes the last former champion whose bundle can still be
            downloaded, without those that a rollback took down.
        reason: reason for the history.
        run_key: key of the run that rolls back.

    Raises:
        AssayError: there is no reason, or the version never was champion, or it is the champion now.
    """
    if not reason.strip():
        raise AssayError(f"{registry.name}: a rollback needs a reason; say why")
    champion = registry.champion()
    if to:
        verify_and_sign(registry, target := registry.version(to))
    else:
        target = _champion_before(registry, champion)
    with hold_champion(registry) as lease:
        current = registry.champion()
        if _is_same(current, target):
            raise AssayError(f"{target.address} is the champion already; see assay history {registry.name}")
        if not to and current is not None and not _is_same(champion, current):
            raise AssayError(
                f"{current.address} was promoted meanwhile; see assay history {registry.name}, and roll back again"
            )
        with mlflow_reachable(registry.tracking_uri):
            verdict, forced = registry.champions.promoted_on(target)
        return change_champion(
            registry, lease, target, kind="rollback", reason=reason, verdict=verdict, forced=forced, run_key=run_key
        )


def _champion_before(registry: ModelRegistry, champion: Version | None) -> Version:
    """Return the last former champion whose bundle can still be downloaded, verified."""
    failed = []
    for version in registry.former_champions():
        if _is_same(champion, version):
            continue
        try:
            verify_and_sign(registry, version)
        except AssayError as error:
            logger.warning("%s is passed over: %s", version.address, error)
            failed.append(f"{version.address}: {error}")
        else:
            return version
    if failed:
        raise AssayError(
            f"{registry.name} has no previous champion that can be fetched ({'; '.join(failed)}); restore its "
            "artifacts, or name a version with --to"
        )
    raise AssayError(
        f"{registry.name} has no previous champion that no rollback took down; "
        f"name a version with --to, see assay history {registry.name}"
    )


def _is_same(champion: Version | None, version: Version) -> bool:
    return champion is not None and champion.number == version.number
