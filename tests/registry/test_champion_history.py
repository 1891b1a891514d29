from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry.aliases import Aliases
from assay.registry.approvals import Approval
from assay.registry.champion_history import ChampionHistory
from assay.registry.champion_memory import ChampionMemory
from assay.registry.history import AliasChange, write_alias_change
from assay.registry.versions import Version, Versions
from assay.runs.tags import APPROVAL_TAG, BUNDLE_TAG, FORCED_TAG, PROMOTED_TAG, VERDICT_TAG

DAWN = datetime(2026, 1, 1, tzinfo=UTC)


class Registry:
    """The model `toy` with four versions, and its history."""

    def __init__(self, store: Path) -> None:
        uri = f"sqlite:///{store}/mlflow.db"
        self.client = MlflowClient(tracking_uri=uri)
        self.memory = ChampionMemory(store / "champions" / "toy.json", uri)
        self.versions = Versions(self.client, "toy", uri)
        self.history = ChampionHistory(self.client, self.versions, Aliases(self.client, "toy"), self.memory)

    def create(self) -> None:
        self.client.create_registered_model("toy")
        for number in range(1, 5):
            self.client.create_model_version("toy", "file:///nowhere", tags={BUNDLE_TAG: f"b{number}"})

    def change(self, number: int, target: str, kind: str = "promotion", state: str = "done", **values: Any) -> None:
        fields = {"number": number, "kind": kind, "source": None, "previous": None, "reason": "why", "when": DAWN}
        record = {**fields, "target": target, "bundle": f"b{target}", "state": state, **values}
        write_alias_change(self.client, "toy", AliasChange.model_validate(record))


@pytest.fixture
def registry(store: Path) -> Registry:
    return Registry(store)


def numbers(versions: list[Version]) -> list[str]:
    return [version.number for version in versions]


def an_approval(state: str = "pending", key: str = "k") -> Approval:
    fields = {"approval_key": key, "verdict": "v", "asked": DAWN, "expires": DAWN + timedelta(days=9999), "run": "r"}
    return Approval.model_validate({**fields, "state": state})


def test_champion_history_of_no_model_is_empty(registry: Registry) -> None:
    assert registry.history.changes() == []
    assert registry.history.former() == []
    assert registry.history.last() is None
    assert registry.history.why_rolled_back("b1") is None


def test_former_champions_exist_and_were_not_rolled_back(registry: Registry) -> None:
    registry.create()
    for number, target in enumerate(("1", "2", "3"), 1):
        registry.change(number, target)
    registry.change(4, "4", state="undone")
    assert numbers(registry.history.former()) == ["3", "2", "1"]
    registry.client.delete_model_version("toy", "2")
    assert numbers(registry.history.former()) == ["3", "1"]
    registry.change(5, "1", "rollback", source="3")
    assert numbers(registry.history.former()) == ["1"]
    assert registry.history.last() == "1"
    why = registry.history.why_rolled_back("b3")
    assert why is not None
    assert "version 3 holds this bundle and was rolled back on 2026-01-01: why" in why
    assert registry.history.why_rolled_back("b1") is None


def test_former_champions_without_a_history_are_those_with_tags_or_the_previous(registry: Registry) -> None:
    registry.create()
    registry.client.set_registered_model_alias("toy", "previous", "2")
    assert numbers(registry.history.former()) == ["2"]
    for number, day in (("1", "2026-01-02"), ("3", "2026-01-01")):
        registry.client.set_model_version_tag("toy", number, PROMOTED_TAG, day)
    assert numbers(registry.history.former()) == ["1", "3"]
    assert registry.history.last() == "1"


def test_last_champion_outlives_the_registered_model(registry: Registry) -> None:
    registry.memory.write("7")
    assert registry.history.last() == "7"
    registry.create()
    registry.change(1, "2")
    assert registry.history.last() == "2"


def test_promoted_on_is_the_last_verdict_of_the_version(registry: Registry) -> None:
    registry.create()
    registry.change(1, "1", verdict="first")
    registry.change(2, "1", verdict="second", forced="a reason")
    registry.change(3, "1", verdict="third", state="undone")
    assert registry.history.promoted_on(registry.versions.get("1")) == ("second", "a reason")
    with pytest.raises(AssayError, match="models:/toy/2 never was champion; choose from assay history toy"):
        registry.history.promoted_on(registry.versions.get("2"))


def test_promoted_on_without_a_history_reads_the_tags(registry: Registry) -> None:
    registry.create()
    for key, value in ((PROMOTED_TAG, "2026-01-01"), (VERDICT_TAG, "v"), (FORCED_TAG, "a reason")):
        registry.client.set_model_version_tag("toy", "2", key, value)
    assert registry.history.promoted_on(registry.versions.get("2")) == ("v", "a reason")


@pytest.mark.parametrize(
    ("recorded", "given", "found"),
    [
        (an_approval(), an_approval("approved"), True),
        (an_approval(), an_approval("approved", key="of another verdict"), False),
        (an_approval(), None, False),
        (an_approval("approved"), an_approval("approved"), False),  # its own record tells it
        (None, an_approval("approved"), False),
    ],
)
def test_approval_of_promotion_is_what_a_killed_process_did_not_record(
    registry: Registry, recorded: Approval | None, given: Approval | None, found: bool
) -> None:
    registry.create()
    if recorded is not None:
        registry.client.set_model_version_tag("toy", "1", APPROVAL_TAG, recorded.model_dump_json())
    registry.change(1, "1", approval=given)
    assert registry.history.approval_of_promotion(registry.versions.get("1")) == (given if found else None)
