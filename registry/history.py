"""The history of the champion: every change of the alias, kept in the registry itself.

MLflow keeps where an alias points, not where it pointed. Each change is a tag of the registered model, numbered by the
lease it was made under, so that everyone who can read the registry can read the history. It is written before the
aliases change and again afterwards, so that an interrupted change remains visible.
"""

from datetime import UTC, datetime
from typing import Literal

from mlflow import MlflowClient
from pydantic import BaseModel, ConfigDict, Field, RootModel

from assay.registry.approvals import Approval
from assay.runs.tags import ALIAS_CHANGE_TAG

# Older MLflow servers accept tags of 5,000 characters; a change holds three texts by people and a few digests.
LONGEST_TEXT = 1_000


class AliasChange(BaseModel):
    """A change of the alias `champion` from the version `source` to the version `target`.

    A change that stays `begun` was interrupted by a crash; the next holder of the lease completes or undoes it.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    when: datetime = Field(default_factory=lambda: datetime.now(UTC))
    kind: Literal["promotion", "rollback"]
    source: str | None
    target: str
    bundle: str | None = Field(None, description="Digest of the target's bundle")
    previous: str | None = Field(description="Version that the alias `previous` pointed to before")
    reason: str
    verdict: str | None = Field(None, description="Digest of the verdict")
    forced: str | None = Field(None, description="Reason to promote it although the gate refused it")
    approval: Approval | None = Field(None, description="Approval by a person, if the recipe requires one")
    run: str | None = Field(None, description="Key of the run that asked for it")
    state: Literal["begun", "done", "undone"] = "begun"


class AliasChanges(RootModel[list[AliasChange]]):
    """All changes of the champion of a model, the oldest first."""


def read_alias_changes(client: MlflowClient, name: str) -> list[AliasChange]:
    """Return all changes of a registered model in their order, including interrupted and undone ones."""
    tags: dict[str, str] = client.get_registered_model(name).tags
    records = (value for key, value in tags.items() if key.startswith(ALIAS_CHANGE_TAG))
    return sorted(map(AliasChange.model_validate_json, records), key=lambda change: change.number)


def write_alias_change(client: MlflowClient, name: str, change: AliasChange) -> None:
    """Write a change, or its new state."""
    client.set_registered_model_tag(name, f"{ALIAS_CHANGE_TAG}{change.number:06d}", change.model_dump_json())


def shortened(text: str) -> str:
    """Return the text, cut to what fits into a tag of any MLflow server beside the rest."""
    text = text.strip()
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
