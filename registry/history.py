"""The history of the champion: every move of the alias, kept in the registry itself.

MLflow keeps where an alias points, not where it pointed. A move is a tag of the registered model,
numbered by the lease it was made under, so that whoever can read the registry can read the history.
It is written before the aliases move and again when they have: a move that was cut short is there to see.
"""

from datetime import UTC, datetime
from typing import Literal

from mlflow import MlflowClient
from pydantic import BaseModel, ConfigDict, Field

from assay.registry.approvals import Approval
from assay.runs.tags import ALIAS_CHANGE_TAG

# Older MLflow servers take tags of 5,000 characters; a move holds three texts by people and a few digests.
LONGEST_TEXT = 1_000


class AliasChange(BaseModel):
    """One move of the alias `champion` from the version `source` to the version `target`.

    A move that is `begun` was cut short by a crash; the next holder of the lease ends or undoes it.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    when: datetime = Field(default_factory=lambda: datetime.now(UTC))
    kind: Literal["promotion", "rollback"]
    source: str | None
    target: str
    bundle: str | None = Field(None, description="Digest of the target's bundle")
    previous: str | None = Field(description="What the alias `previous` pointed to before")
    reason: str
    verdict: str | None = Field(None, description="Digest of the verdict")
    forced: str | None = Field(None, description="Why it was promoted though the gate refused it")
    approval: Approval | None = Field(None, description="Who approved it, where the recipe asks for that")
    run: str | None = Field(None, description="Key of the run that asked for it")
    state: Literal["begun", "done", "undone"] = "begun"


def read_alias_changes(client: MlflowClient, name: str) -> list[AliasChange]:
    """All moves of a registered model in their order, those cut short or undone too."""
    tags: dict[str, str] = client.get_registered_model(name).tags
    moves = [AliasChange.model_validate_json(value) for key, value in tags.items() if key.startswith(ALIAS_CHANGE_TAG)]
    return sorted(moves, key=lambda move: move.number)


def write_alias_change(client: MlflowClient, name: str, move: AliasChange) -> None:
    """Write a move, or its new state."""
    client.set_registered_model_tag(name, f"{ALIAS_CHANGE_TAG}{move.number:06d}", move.model_dump_json())


def shortened(text: str) -> str:
    """The text, cut to what a tag of any MLflow server takes beside the rest."""
    text = text.strip()
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
