"""A change of the champion: under a lease, to a bundle that was downloaded and verified, and recorded.

The champion is an alias in the MLflow registry. A change that fails half-way is undone, and what a process that died
has left is completed or undone by the next one that holds the lease.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from assay.corpus.storage.leases import Lease, hold_lease
from assay.corpus.storage.object_store import shared_store
from assay.evaluation.export_report import BUNDLE
from assay.registry.aliases import CHAMPION, PREVIOUS
from assay.registry.approvals import Approval
from assay.registry.history import AliasChange, shortened
from assay.registry.model_registry import ModelRegistry
from assay.registry.versions import Version
from assay.runs.events import PROMOTED, ROLLED_BACK, emit, model_resource
from assay.runs.tags import SIGNATURE_TAG
from assay.runs.tracking import mlflow_reachable
from assay.serving.signatures import sign, signing_key

logger = logging.getLogger(__name__)


@contextmanager
def hold_champion(registry: ModelRegistry) -> Iterator[Lease]:
    """Hold the lease of a model's champion, and complete or undo first what a dead holder left half-way."""
    changes = registry.history()
    at_least = changes[-1].number if changes else 0
    with hold_lease(registry.lease_path, registry.shared or shared_store(), at_least=at_least) as lease:
        with mlflow_reachable(registry.tracking_uri):
            registry.aliases.recover(lease)
        yield lease


def verify_and_sign(registry: ModelRegistry, version: Version) -> None:
    """Download and sign what would serve, so that no alias points to bytes that differ from the tested ones.

    Raises:
        AssayError: the bytes are not those that were registered, or MLflow cannot be reached.
    """
    with tempfile.TemporaryDirectory() as folder:
        bundle = registry.fetch(version, Path(folder) / BUNDLE)
        if key := signing_key():
            with mlflow_reachable(registry.tracking_uri):
                registry.client.set_model_version_tag(registry.name, version.number, SIGNATURE_TAG, sign(bundle, key))


def change_champion(
    registry: ModelRegistry,
    lease: Lease,
    version: Version,
    *,
    kind: Literal["promotion", "rollback"],
    reason: str,
    verdict: str | None,
    forced: str | None,
    run_key: str | None,
    approval: Approval | None = None,
) -> AliasChange:
    """Make a version the champion, and the present champion `previous`; remember and announce it.

    Args:
        registry: the registered model.
        lease: lease of the champion.
        version: a version that was verified.
        kind: kind of the change.
        reason: reason for the history.
        verdict: digest of the verdict that the version serves by.
        forced: reason to promote it although the gate refused it.
        run_key: key of the run that asked for the change.
        approval: decision of the person who approved it.

    Raises:
        ChampionChanged: another client changed the alias at the same time without the lease.
        AssayError: a step failed and was undone, or the lease expired.
    """
    with mlflow_reachable(registry.tracking_uri):
        change = AliasChange(
            number=lease.fencing,
            kind=kind,
            source=registry.aliases.number(CHAMPION),
            target=version.number,
            bundle=version.bundle or None,
            previous=registry.aliases.number(PREVIOUS),
            reason=shortened(reason),
            verdict=verdict,
            forced=forced,
            approval=approval,
            run=run_key,
        )
        done = registry.aliases.apply(change, lease)
    registry.memory.write(done.target)
    _announce(version, done)
    return done


def _announce(version: Version, change: AliasChange) -> None:
    logger.info("%s: champion is version %s now (%s)", version.name, change.target, change.reason)
    summary = f"version {change.target} instead of {change.source or 'none'}: {change.reason}"
    payload = {"summary": summary, "address": version.address, "alias_change": change.model_dump(mode="json")}
    event = PROMOTED if change.kind == "promotion" else ROLLED_BACK
    emit(event, model_resource(version.name), version.name, payload)
