from pathlib import Path

import pytest
from mlflow import MlflowClient

from corpus.errors import AssayError
from tasks.approval import decide
from tasks.keeping.copying import VERDICT, Place, copy_version, plan_copy, promote_copy
from tasks.registry import ChampionChanged, ModelRegistry, Move
from tasks.verdict import Verdict
from tasks.versions.approvals import APPROVAL_TAG
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
def places(staging: World, tmp_path: Path) -> tuple[Place, Place]:
    folder = tmp_path / "production"
    folder.mkdir()
    return Place(staging.uri, staging.store), Place(f"sqlite:///{folder}/mlflow.db", folder)


def registry(place: Place) -> ModelRegistry:
    return ModelRegistry("toy", place.tracking_uri, place.store)


def test_a_copy_has_bundle_run_tags_and_files_and_is_made_once(
    staging: World, places: tuple[Place, Place], tmp_path: Path
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

    again = plan_copy("models:/toy/1", source, target)
    assert again.there == made
    assert copy_version(again, source, target) == made


def test_a_copy_that_fails_leaves_no_run_and_no_version(
    places: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = places
    plan = plan_copy("models:/toy/1", source, target)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MlflowClient, "log_artifacts", full)
    with pytest.raises(AssayError, match="No space left on device; free some room"):
        copy_version(plan, source, target)
    client = MlflowClient(tracking_uri=target.tracking_uri)
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    assert client.search_runs([experiment.experiment_id]) == []
    assert client.search_registered_models() == []


def test_the_champion_there_must_be_the_one_that_the_verdict_is_about(
    staging: World, places: tuple[Place, Place]
) -> None:
    source, target = places
    client = MlflowClient(tracking_uri=source.tracking_uri)

    def copied(number: str, verdict: Verdict) -> None:
        client.log_text(staging.mlflow_run, verdict.model_dump_json(), VERDICT)
        client.set_model_version_tag("toy", number, "assay.verdict", verdict.digest)
        plan = plan_copy(f"models:/toy/{number}", source, target)
        promote_copy(copy_version(plan, source, target), plan, source, target, "to production")

    first = staging.judge("first").model_copy(update={"champion": None})
    copied("1", first)
    champion = registry(target).champion()
    assert champion is not None
    assert champion.bundle == first.bundle

    # Compared with version 1, which serves there: promoted. Compared with nobody: not.
    second = staging.judge("second")
    staging.go("second", approval="none")
    copied("2", second)
    third = staging.judge("third one").model_copy(update={"champion": None})
    staging.go("third one", approval="none")
    with pytest.raises(ChampionChanged, match="run the gate again"):
        copied("3", third)
    serving = registry(target).champion()
    assert serving is not None
    assert serving.bundle == second.bundle


@pytest.mark.parametrize("answer", ["approved", "refused", "expired"])
def test_a_copy_becomes_champion_only_if_the_person_who_was_asked_approved(
    staging: World, places: tuple[Place, Place], answer: str
) -> None:
    source, target = places
    client = MlflowClient(tracking_uri=source.tracking_uri)

    def promoted(number: str, verdict: Verdict) -> Move | None:
        client.log_text(staging.mlflow_run, verdict.model_dump_json(), VERDICT)
        plan = plan_copy(f"models:/toy/{number}", source, target)
        return promote_copy(copy_version(plan, source, target), plan, source, target, "to production")

    # Given a champion on both sides, and a second version that passed the gate and that somebody was asked about,
    first = staging.judge("first").model_copy(update={"champion": None})
    client.set_model_version_tag("toy", "1", "assay.verdict", first.digest)
    assert promoted("1", first)
    staging.go("second")
    verdict = staging.registry.kept_verdict(staging.registry.version("2"))
    asked = staging.registry.version("2").approval
    assert asked is not None
    if answer == "expired":
        late = asked.model_copy(update={"expires": asked.asked}).model_dump_json()
        client.set_model_version_tag("toy", "2", APPROVAL_TAG, late)
    else:
        decide(staging.registry, "2", approve=answer == "approved", approver="Ann", notes="too slow")
    # then it becomes champion there with an approval only, which the history there shows.
    if answer == "approved":
        move = promoted("2", verdict)
        assert move is not None
        assert str(registry(target).history()[-1].approval) == "approved by Ann: too slow"
        return
    with pytest.raises(AssayError, match=r"models:/toy/2 was not approved \(refused.*assay run tiny --from gate"):
        promoted("2", verdict)
    assert len(registry(target).history()) == 1


def test_what_waits_for_approval_and_a_copy_onto_itself_are_refused(
    staging: World, places: tuple[Place, Place]
) -> None:
    source, target = places
    staging.go("second")
    with pytest.raises(AssayError, match="waits for approval; answer first"):
        plan_copy("models:/toy/2", source, target)
    with pytest.raises(AssayError, match="both source and target"):
        plan_copy("models:/toy/1", source, source)
