import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry.aliases import ChampionChanged
from assay.registry.history import AliasChange
from assay.registry.model_registry import ModelRegistry
from assay.registry.retention.copying import CopyTarget, copy_version, plan_copy, promote_copy
from assay.runs.tags import APPROVAL_TAG, COPY_TAG
from assay.tasks.approve import decide
from tests.approvals import World


@pytest.fixture
def staging(store: Path, tmp_path: Path) -> World:
    world = World(store, tmp_path)
    client = MlflowClient(tracking_uri=world.uri)
    client.log_param(world.mlflow_run, "training.epochs", "3")
    client.log_metric(world.mlflow_run, "test.sentence.f1", 0.9)
    client.log_text(world.mlflow_run, "{}", "recipe.json")
    return world


@pytest.fixture
def places(staging: World, tmp_path: Path) -> tuple[CopyTarget, CopyTarget]:
    folder = tmp_path / "production"
    folder.mkdir()
    return CopyTarget(staging.uri, staging.store), CopyTarget(f"sqlite:///{folder}/mlflow.db", folder)


def registry(place: CopyTarget) -> ModelRegistry:
    return ModelRegistry("toy", place.tracking_uri, place.store)


def test_copy_version_copies_bundle_run_tags_and_files_once(
    staging: World, places: tuple[CopyTarget, CopyTarget], tmp_path: Path
) -> None:
    source, target = places
    plan = plan_copy("models:/toy@champion", source, target)
    assert plan.there is None
    assert plan.files >= 1
    made = copy_version(plan, source, target)
    there = registry(target)
    assert there.fetch(made, tmp_path / "fetched").digest == staging.bundle("first").digest
    original = staging.registry.version("1")
    for tag in ("assay.verdict", "assay.splits", "assay.snapshot", "assay.outcome"):
        assert made.tags.get(tag) == original.tags.get(tag)
    # it is no champion there
    assert "assay.promoted_at" in original.tags
    assert "assay.promoted_at" not in made.tags
    client = MlflowClient(tracking_uri=target.tracking_uri)
    run = client.get_run(str(made.run_id))
    assert run.info.status == "FINISHED"
    assert run.data.params["training.epochs"] == "3"
    assert run.data.metrics["test.sentence.f1"] == 0.9
    assert "recipe.json" in [file.path for file in client.list_artifacts(run.info.run_id)]
    assert there.champion() is None
    # and the version says where its copy is, for who has to erase rows there
    assert staging.registry.version("1").copies == [f"copied to toy of {target.name} (store {target.store})"]
    assert made.copies == []

    again = plan_copy("models:/toy/1", source, target)
    assert again.there == made
    assert copy_version(again, source, target) == made


@pytest.mark.parametrize("method", ["log_artifacts", "set_terminated"])
def test_copy_version_leaves_nothing_after_a_failure(
    places: tuple[CopyTarget, CopyTarget], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    source, target = places
    plan = plan_copy("models:/toy/1", source, target)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, method, full)
        with pytest.raises(AssayError, match="No space left on device; free some space"):
            copy_version(plan, source, target)
    client = MlflowClient(tracking_uri=target.tracking_uri)
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    assert client.search_runs([experiment.experiment_id]) == []
    assert client.search_model_versions() == []
    # and it can be made good
    assert copy_version(plan_copy("models:/toy/1", source, target), source, target).run_id


def test_copy_version_removes_what_a_killed_copy_left(places: tuple[CopyTarget, CopyTarget]) -> None:
    source, target = places
    made = copy_version(plan_copy("models:/toy/1", source, target), source, target)
    client = MlflowClient(tracking_uri=target.tracking_uri)
    # Given a copy that was killed after its version, and one that was killed before,
    client.update_run(str(made.run_id), status="RUNNING")
    experiment = client.get_run(str(made.run_id)).info.experiment_id
    client.create_run(experiment, tags={COPY_TAG: made.bundle})
    # when the same bundle is copied under another name,
    other = copy_version(plan_copy("models:/toy/1", source, target, "other"), source, target)
    # then the run of the first version is still there.
    assert {run.info.run_id for run in client.search_runs([experiment])} == {made.run_id, other.run_id}


def promote_in(target: CopyTarget, number: str, source: CopyTarget) -> AliasChange | None:
    plan = plan_copy(f"models:/toy/{number}", source, target)
    return promote_copy(copy_version(plan, source, target), plan, source, target, "to production")


def test_promote_copy_requires_the_champion_of_the_verdict(
    staging: World, places: tuple[CopyTarget, CopyTarget]
) -> None:
    source, target = places
    # Given versions that were compared with none, with version 1, and with version 2,
    for name in ("second", "third one"):
        staging.go(name, approval="none")
    # when the third comes where the first serves, then the second has to come before it.
    promote_in(target, "1", source)
    with pytest.raises(ChampionChanged, match="run the gate again"):
        promote_in(target, "3", source)
    for number, name in (("2", "second"), ("3", "third one")):
        promote_in(target, number, source)
        champion = registry(target).champion()
        assert champion is not None
        assert champion.bundle == staging.bundle(name).digest


def test_promote_copy_refuses_a_missing_verdict(staging: World, places: tuple[CopyTarget, CopyTarget]) -> None:
    source, target = places
    MlflowClient(tracking_uri=source.tracking_uri).set_model_version_tag("toy", "1", "assay.verdict", "another")
    with pytest.raises(AssayError, match="models:/toy/1: the verdict that it is tagged with was changed or removed"):
        promote_in(target, "1", source)
    assert registry(target).champion() is None


def test_promote_copy_reads_the_verdict_of_the_report(staging: World, places: tuple[CopyTarget, CopyTarget]) -> None:
    source, target = places
    origin = registry(source)
    version = origin.version("1")
    verdict = origin.tagged_verdict(version)
    assert verdict
    client = MlflowClient(tracking_uri=source.tracking_uri)
    client.log_text(str(version.run_id), verdict.model_dump_json(), "verdict.json")
    location = str(client.get_run(str(version.run_id)).info.artifact_uri)
    shutil.rmtree(Path(location.removeprefix("file://")) / "verdicts")
    promote_in(target, "1", source)
    assert registry(target).champion() is not None


def test_promote_copy_records_the_approval(staging: World, places: tuple[CopyTarget, CopyTarget]) -> None:
    source, target = places
    promote_in(target, "1", source)
    staging.go("second")
    decide(staging.registry, "2", approve=True, approver="Ann")
    promote_in(target, "2", source)
    assert str(registry(target).history()[-1].approval) == "approved by Ann"


@pytest.mark.parametrize("decided", [True, False], ids=["refused", "not decided in time"])
def test_promote_copy_refuses_a_version_without_approval(
    staging: World, places: tuple[CopyTarget, CopyTarget], decided: bool
) -> None:
    source, target = places
    promote_in(target, "1", source)
    staging.go("second")
    if decided:
        decide(staging.registry, "2", approve=False, approver="Bob")
    else:
        asked = staging.registry.version("2").approval
        assert asked is not None
        late = asked.model_copy(update={"expires": asked.asked}).model_dump_json()
        MlflowClient(tracking_uri=source.tracking_uri).set_model_version_tag("toy", "2", APPROVAL_TAG, late)
    with pytest.raises(AssayError, match=r"models:/toy/2 was not approved \(refused.*assay run tiny --from gate"):
        promote_in(target, "2", source)
    assert len(registry(target).history()) == 1


def test_plan_copy_refuses_a_pending_version_and_a_copy_onto_itself(
    staging: World, places: tuple[CopyTarget, CopyTarget]
) -> None:
    source, target = places
    staging.go("second")
    with pytest.raises(AssayError, match="waits for approval; decide first"):
        plan_copy("models:/toy/2", source, target)
    with pytest.raises(AssayError, match="both source and target"):
        plan_copy("models:/toy/1", source, source)
