"""All that a registry knows about one version: verdict, metrics on test rows, and what it was made of."""

import re
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Check
from assay.registry.approvals import Approval
from assay.registry.model_registry import ModelRegistry
from assay.registry.versions import Version, logged_metrics
from assay.runs.mlflow_client import connect
from assay.runs.tags import (
    CODE_TAG,
    FORCED_TAG,
    PROMOTED_TAG,
    REASON_TAG,
    RECIPE_DIGEST_TAG,
    RECIPE_TAG,
    RUN_TAG,
    VERDICT_TAG,
)
from assay.runs.tracking import mlflow_reachable
from assay.serving.registered_model import CARD, card_folder, test_metrics

_NAME = re.compile(r"(?:models:/)?(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))?")


class VersionSummary(BaseModel):
    """A version of a registered model. Digests are SHA-256; `checks` is None where the verdict is lost."""

    model_config = ConfigDict(frozen=True)

    name: str
    number: str
    aliases: list[str]
    outcome: str
    forced: str | None = Field(description="Reason to promote it although the gate refused it")
    promoted: datetime | None
    reason: str | None = Field(description="Reason of the promotion")
    approval: Approval | None
    checks: list[Check] | None
    compared_with: str | None = Field(description="Champion that the verdict compared it with")
    metrics: dict[str, float] = Field(description="Metrics on test rows")
    recipe: str | None
    run: str | None = Field(description="Key of the run that tested it last")
    mlflow_run: str | None
    bundle: str
    snapshot: str | None
    splits: str | None
    recipe_digest: str | None
    code: str | None = Field(description="Digest of the source code that made it")
    card: Path | None = Field(description="Model card, if the run lies in this store")


def summarise_version(address: str, tracking_uri: str, store: Path) -> VersionSummary:
    """Return the summary of a version.

    Args:
        address: NAME (its champion, else its newest version), NAME/NUMBER or NAME@ALIAS, with or without `models:/`.
        tracking_uri: address of MLflow.
        store: folder of the runs.

    Raises:
        AssayError: there is no such model or version, or MLflow cannot be reached.
    """
    match = _NAME.fullmatch(address)
    if match is None:
        raise AssayError(f"{address!r} names no version; write NAME, NAME/3 or NAME@champion")
    registry = ModelRegistry(match["name"], tracking_uri, store)
    version = _find(registry, match["alias"], match["number"])
    verdict = registry.tagged_verdict(version)
    with mlflow_reachable(tracking_uri):
        metrics = test_metrics(logged_metrics(connect(tracking_uri), version))
    tags = version.tags
    return VersionSummary(
        name=version.name,
        number=version.number,
        aliases=_aliases(registry, version),
        outcome=version.outcome,
        forced=tags.get(FORCED_TAG),
        promoted=datetime.fromisoformat(tags[PROMOTED_TAG]) if PROMOTED_TAG in tags else None,
        reason=tags.get(REASON_TAG),
        approval=version.approval,
        checks=verdict.checks if verdict else None,
        compared_with=verdict.champion if verdict else None,
        metrics=dict(sorted(metrics.items())),
        recipe=tags.get(RECIPE_TAG),
        run=tags.get(RUN_TAG),
        mlflow_run=version.run_id,
        bundle=version.bundle,
        snapshot=version.data.snapshot,
        splits=version.data.splits,
        recipe_digest=tags.get(RECIPE_DIGEST_TAG),
        code=tags.get(CODE_TAG),
        card=_card(version, store),
    )


def _find(registry: ModelRegistry, alias: str | None, number: str | None) -> Version:
    if number is not None:
        return registry.version(number)
    if alias is not None:
        version = registry.aliased(alias)
        if version is None:
            raise AssayError(f"{registry.name} has no version with the alias {alias!r}; see assay models")
        return version
    version = registry.champion() or registry.newest()
    if version is None:
        raise AssayError(f"there is no model {registry.name!r} in this registry; see assay models")
    return version


def _aliases(registry: ModelRegistry, version: Version) -> list[str]:
    champions = {"champion": registry.champion(), "previous": registry.previous()}
    return [alias for alias, holder in champions.items() if holder is not None and holder.number == version.number]


def _card(version: Version, store: Path) -> Path | None:
    run, verdict = version.tags.get(RUN_TAG), version.tags.get(VERDICT_TAG)
    if run is None or verdict is None:
        return None
    card = store / "runs" / run / card_folder(verdict) / CARD
    return card if card.is_file() else None
