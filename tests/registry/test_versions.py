from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.evaluation.row_sample import sample_rows
from assay.registry.approvals import Approval
from assay.registry.versions import Version, Versions, every_version, logged_metrics
from assay.runs.tags import (
    APPROVAL_TAG,
    BUNDLE_TAG,
    COPIED_TO_TAG,
    LEDGER_TAG,
    OUTCOME_TAG,
    PROMOTED_TAG,
    RUN_TAG,
    SNAPSHOT_TAG,
    SPLITS_TAG,
    TEST_ROWS_TAG,
)

NAME = "O'Brien's model"
DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def client(store: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


@pytest.fixture
def versions(client: MlflowClient, store: Path) -> Versions:
    client.create_registered_model(NAME)
    client.create_registered_model("other")
    return Versions(client, NAME, f"sqlite:///{store}/mlflow.db")


def add(client: MlflowClient, name: str = NAME, **tags: str) -> str:
    return str(client.create_model_version(name, "file:///nowhere", tags=tags).version)


def an_approval(hours: float) -> Approval:
    return Approval(
        approval_key="k", verdict="v", asked=DAY, expires=datetime.now(UTC) + timedelta(hours=hours), run="r"
    )


def test_version_reads_what_its_tags_tell() -> None:
    tags = {BUNDLE_TAG: "b", SNAPSHOT_TAG: "s", SPLITS_TAG: "p", LEDGER_TAG: "l"}
    version = Version(name="m", number="3", tags={**tags, f"{COPIED_TO_TAG}b": "2nd", f"{COPIED_TO_TAG}a": "1st"})
    assert (version.bundle, version.data, version.copies) == ("b", ("s", "p", "l"), ["1st", "2nd"])
    assert version.address == "models:/m/3"
    bare = Version(name="m", number="1", tags={})
    assert (bare.bundle, bare.data, bare.model_id, bare.copies, bare.approval) == ("", (None,) * 3, None, [], None)


@pytest.mark.parametrize(
    ("tags", "outcome"),
    [
        ({}, "pending"),
        ({OUTCOME_TAG: "passed"}, "passed"),
        ({OUTCOME_TAG: "pending", APPROVAL_TAG: an_approval(1).model_dump_json()}, "pending"),
        ({OUTCOME_TAG: "pending", APPROVAL_TAG: an_approval(-1).model_dump_json()}, "refused"),
        ({OUTCOME_TAG: "passed", APPROVAL_TAG: an_approval(-1).model_dump_json()}, "passed"),
    ],
)
def test_version_outcome_is_refused_once_its_approval_has_expired(tags: dict[str, str], outcome: str) -> None:
    assert Version(name="m", number="1", tags=tags).outcome == outcome


def test_versions_are_found_by_number(client: MlflowClient, versions: Versions) -> None:
    assert versions.newest() is None
    for number in range(1, 12):
        assert add(client, **{BUNDLE_TAG: f"b{number}"}) == str(number)
    add(client, "other")
    newest = versions.newest()
    assert newest is not None
    assert newest.number == "11"  # not 9, the last by name
    assert versions.get("2").bundle == versions.digest_of("2") == "b2"
    client.delete_model_version(NAME, "2")
    assert versions.look_up("2") is None
    assert versions.digest_of("2") == ""
    with pytest.raises(AssayError, match=f"{NAME} has no version 2; see assay history {NAME}"):
        versions.get("2")


def test_versions_are_found_by_their_tags(client: MlflowClient, versions: Versions) -> None:
    add(client, "other", **{BUNDLE_TAG: "b", RUN_TAG: "r", OUTCOME_TAG: "pending"})
    add(client, **{BUNDLE_TAG: "a", RUN_TAG: "r"})
    add(client, **{BUNDLE_TAG: "b", RUN_TAG: "r", OUTCOME_TAG: "pending"})
    add(client, **{BUNDLE_TAG: "b", RUN_TAG: "R", OUTCOME_TAG: "passed"})
    found = versions.find("b")
    assert found is not None
    assert (found.name, found.number) == (NAME, "2")
    assert versions.find("c") is None
    assert [version.number for version in versions.of_run("r")] == ["1", "2"]
    assert [version.number for version in versions.waiting()] == ["2"]


def test_versions_once_promoted_are_in_the_order_of_their_promotion(client: MlflowClient, versions: Versions) -> None:
    for time in ("2026-01-02", "2026-01-03", None, "2026-01-03", "2026-01-01"):
        add(client, **({PROMOTED_TAG: time} if time else {}))
    assert versions.once_promoted() == ["4", "2", "1", "5"]


def test_versions_compared_on_some_of_the_same_rows(client: MlflowClient, versions: Versions) -> None:
    one, two = sample_rows({"a", "b"}), sample_rows({"x", "y"})
    for sample in (one, two, None):
        add(client, **({TEST_ROWS_TAG: sample} if sample else {}))
    assert [version.number for version in versions.compared_on(sample_rows({"b", "c"}))] == ["1"]


def test_tag_sets_values_that_differ_and_returns_the_version(client: MlflowClient, versions: Versions) -> None:
    version = versions.get(add(client, **{RUN_TAG: "r"}))
    tagged = versions.tag(version, {RUN_TAG: "r", OUTCOME_TAG: "passed"})
    assert tagged.tags == {RUN_TAG: "r", OUTCOME_TAG: "passed"}


def test_create_keeps_one_version_per_bundle_and_downloads_it_verified(
    client: MlflowClient, versions: Versions, make_bundle: Any, tmp_path: Path
) -> None:
    experiment = client.create_experiment("e", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    bundle = make_bundle(classes={"good": "up", "bad": "down"})
    first = versions.create(run, bundle, {RUN_TAG: "one"}, "a card")
    again = versions.create(run, bundle, {RUN_TAG: "two"}, "a card")
    assert (first.number, again.number, again.tags[RUN_TAG]) == ("1", "1", "two")
    assert again.model_id is not None
    assert versions.download(again, tmp_path / "copy").digest == bundle.digest
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == sorted(
        path.name for path in bundle.folder.iterdir()
    )
    # A repeated request may have made two: the lowest is kept.
    add(client, **{BUNDLE_TAG: bundle.digest})
    assert versions.create(run, bundle, {}, "").number == "1"
    assert [version.number for version in every_version(client)] == ["1"]
    client.log_metric(run, "late", 1.0)
    assert logged_metrics(client, first) == {}


def test_download_refuses_a_version_that_assay_did_not_register(
    client: MlflowClient, versions: Versions, tmp_path: Path
) -> None:
    with pytest.raises(AssayError, match=r"has no tag assay\.bundle: it was not registered by assay; train again"):
        versions.download(versions.get(add(client)), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
