from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry.version_summary import VersionSummary, summarise_version
from assay.runs.tags import (
    BUNDLE_TAG,
    CODE_TAG,
    FORCED_TAG,
    OUTCOME_TAG,
    PROMOTED_TAG,
    REASON_TAG,
    RECIPE_DIGEST_TAG,
    RECIPE_TAG,
    RUN_TAG,
    SNAPSHOT_TAG,
    SPLITS_TAG,
    VERDICT_TAG,
)
from assay.serving.registered_model import CARD, card_folder

TAGS = {
    BUNDLE_TAG: "b",
    SNAPSHOT_TAG: "s",
    SPLITS_TAG: "p",
    OUTCOME_TAG: "passed",
    RECIPE_TAG: "tiny",
    RECIPE_DIGEST_TAG: "r",
    CODE_TAG: "c",
    RUN_TAG: "tiny-1",
    VERDICT_TAG: "v",
}


@pytest.fixture
def client(store: Path) -> MlflowClient:
    """An MLflow with versions 1, 2 (previous) and 3 (champion) of `toy`, and a newest one 4."""
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    client.create_registered_model("toy")
    for _ in range(4):
        client.create_model_version("toy", "file:///nowhere", tags=TAGS)
    client.set_registered_model_alias("toy", "champion", "3")
    client.set_registered_model_alias("toy", "previous", "2")
    return client


def summary(store: Path, address: str) -> VersionSummary:
    return summarise_version(address, f"sqlite:///{store}/mlflow.db", store)


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("address", "number", "aliases"),
    [
        ("toy", "3", ["champion"]),
        ("models:/toy", "3", ["champion"]),
        ("toy@previous", "2", ["previous"]),
        ("models:/toy@champion", "3", ["champion"]),
        ("toy/1", "1", []),
        ("models:/toy/4", "4", []),
    ],
)
def test_summarise_version_takes_every_form_of_an_address(
    store: Path, address: str, number: str, aliases: list[str]
) -> None:
    found = summary(store, address)
    assert (found.name, found.number, found.aliases) == ("toy", number, aliases)


def test_summarise_version_without_a_champion_is_the_newest(client: MlflowClient, store: Path) -> None:
    client.delete_registered_model_alias("toy", "champion")
    assert summary(store, "toy").number == "4"


def test_summarise_version_tells_what_the_tags_tell(client: MlflowClient, store: Path) -> None:
    for key, value in ((PROMOTED_TAG, "2026-01-01T10:00:00+00:00"), (REASON_TAG, "better"), (FORCED_TAG, "must be")):
        client.set_model_version_tag("toy", "3", key, value)
    found = summary(store, "toy")
    assert (found.outcome, found.reason, found.forced) == ("passed", "better", "must be")
    assert found.promoted is not None
    assert found.promoted.year == 2026
    assert (found.bundle, found.snapshot, found.splits, found.recipe_digest, found.code) == ("b", "s", "p", "r", "c")
    assert (found.recipe, found.run, found.mlflow_run) == ("tiny", "tiny-1", None)
    # Nobody kept its verdict, and no model was logged.
    assert (found.checks, found.compared_with, found.metrics, found.approval) == (None, None, {}, None)
    assert VersionSummary.model_validate_json(found.model_dump_json()) == found


@pytest.mark.usefixtures("client")
def test_summarise_version_finds_the_card_of_a_run_in_this_store(store: Path) -> None:
    assert summary(store, "toy").card is None
    card = store / "runs" / "tiny-1" / card_folder("v") / CARD
    card.parent.mkdir(parents=True)
    card.write_text("<html>")
    assert summary(store, "toy").card == card


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("toy/", "'toy/' names no version; write NAME, NAME/3 or NAME@champion"),
        ("toy/three", "'toy/three' names no version"),
        ("", "'' names no version"),
        ("toy@staging", "toy has no version with the alias 'staging'; see assay models"),
        ("nobody", "there is no model 'nobody' in this registry; see assay models"),
        ("toy/9", "toy has no version 9; see assay history toy"),
    ],
)
def test_summarise_version_names_what_is_not_there(store: Path, address: str, message: str) -> None:
    with pytest.raises(AssayError, match=message):
        summary(store, address)
