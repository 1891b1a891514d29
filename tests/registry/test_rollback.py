import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry.model_registry import ModelRegistry
from tests.registry.toy_registry import (
    NAME,
    Candidate,
    FailingClient,
    MakeCandidate,
    aliases,
    lose_history,
)


def test_rollback_restores_the_previous_champion(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    first, passed_first = candidate("first")
    second, passed_second = candidate("second")
    registry.promote(first, passed_first, None, "better")
    registry.promote(second, passed_second, first, "better")
    # When the previous one is put back,
    move = registry.rollback(None, "wrong about Berlin", "run-9")
    # then the aliases have changed places, and the history tells it.
    assert aliases(registry) == ("1", "2")
    assert (move.kind, move.source, move.target, move.reason) == ("rollback", "2", "1", "wrong about Berlin")
    assert move.verdict == passed_first.digest
    assert registry.history()[-1] == move


def test_rollback_only_restores_former_champions(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    first, verdict = candidate("first")
    candidate("second", passed=False)
    registry.promote(first, verdict, None, "better")
    with pytest.raises(AssayError, match="toy has no previous champion"):
        registry.rollback(None, "worse")
    with pytest.raises(AssayError, match="models:/toy/2 never was champion"):
        registry.rollback("2", "worse")
    with pytest.raises(AssayError, match="models:/toy/1 is the champion already"):
        registry.rollback("1", "worse")
    with pytest.raises(AssayError, match="needs a reason"):
        registry.rollback("1", " ")
    assert aliases(registry) == ("1", None)


def test_rollback_never_restores_a_rolled_back_version(champions: list[Candidate], registry: ModelRegistry) -> None:
    # Given three champions, when each of two people on call rolls back, then the second one gets an earlier version,
    registry.rollback(None, "insults customers")
    registry.rollback(None, "the second person on call does the same")
    champion = registry.champion()
    assert champion is not None
    assert champion.number == "1"
    # and where none is left, one line says so; by name a version can be put back.
    with pytest.raises(AssayError, match="no previous champion that no rollback took down; name a version with --to"):
        registry.rollback(None, "once more")
    registry.rollback("3", "it was the customers")
    assert [move.target for move in registry.history()] == ["1", "2", "3", "2", "1", "3"]


def test_rollback_skips_a_deleted_version(champions: list[Candidate], registry: ModelRegistry) -> None:
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "2")
    assert registry.rollback(None, "worse").target == "1"


def damage(registry: ModelRegistry, artifacts: Path, number: str, how: str) -> None:
    """Replace or remove the graph of a version, or remove all its files."""
    model_id = str(registry.version(number).model_id)
    (graph,) = [path for path in artifacts.rglob("model.onnx") if model_id in str(path)]
    if how == "graph replaced":
        graph.write_bytes(b"another graph")
    elif how == "graph removed":
        graph.unlink()
    else:
        shutil.rmtree(next(folder for folder in graph.parents if folder.name == model_id))


@pytest.mark.parametrize("how", ["graph replaced", "graph removed", "all removed"])
def test_rollback_skips_a_version_that_cannot_be_downloaded(
    champions: list[Candidate], registry: ModelRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    damage(registry, tmp_path, "2", how)
    assert registry.rollback(None, "worse").target == "1"
    assert "models:/toy/2 is passed over: " in caplog.text
    # By name it is not put back either.
    with pytest.raises(AssayError):
        registry.rollback("2", "worse")


def test_rollback_names_all_versions_that_cannot_be_downloaded(
    champions: list[Candidate], registry: ModelRegistry, tmp_path: Path
) -> None:
    for number in ("1", "2"):
        damage(registry, tmp_path, number, "graph replaced")
    with pytest.raises(
        AssayError, match=r"no previous champion that can be fetched; models:/toy/2: .*models:/toy/1: "
    ) as caught:
        registry.rollback(None, "worse")
    assert "\n" not in str(caught.value)
    assert aliases(registry) == ("3", "2")


def test_rollback_remains_after_its_version_is_deleted(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate, tmp_path: Path
) -> None:
    digest = champions[-1][0].bundle
    registry.rollback(None, "insults customers")
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "3")
    assert "insults customers" in str(registry.why_rolled_back(digest))
    assert registry.why_rolled_back(champions[0][0].bundle) is None


@pytest.mark.parametrize("to", [None, "2", "1"])
def test_rollback_works_without_history(champions: list[Candidate], registry: ModelRegistry, to: str | None) -> None:
    lose_history(registry)
    move = registry.rollback(to, "insults customers")
    assert (move.source, move.target, move.forced) == ("3", to or "2", None)
    assert move.verdict == champions[int(move.target) - 1][1].digest
    assert registry.why_rolled_back(champions[-1][0].bundle) is not None


def test_rollback_works_without_the_start_of_the_history(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate
) -> None:
    # Given one promotion since the history was lost,
    lose_history(registry)
    fourth, passed = candidate("dddd")
    registry.promote(fourth, passed, champions[-1][0], "better")
    # then the champion that it replaced can be put back, and by name an earlier one.
    assert registry.rollback(None, "worse").target == "3"
    assert registry.rollback("1", "worse, too").target == "1"


def test_rollback_without_history_only_restores_promoted_versions(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate
) -> None:
    candidate("dddd", passed=False)
    lose_history(registry)
    with pytest.raises(AssayError, match="models:/toy/4 never was champion"):
        registry.rollback("4", "worse")


def test_former_champions_are_those_that_are_left_and_were_not_rolled_back(
    champions: list[Candidate], registry: ModelRegistry
) -> None:
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "3")
    assert registry.champion() is None
    assert registry.last_champion() == "3"
    assert [version.number for version in registry.former_champions()] == ["2", "1"]
    # Without the history, the tags of the versions say the same.
    lose_history(registry)
    assert [version.number for version in registry.former_champions()] == ["2", "1"]
    assert registry.last_champion() == "2"


def test_last_champion_outlives_a_registered_model_that_is_deleted(
    champions: list[Candidate], registry: ModelRegistry, store: Path
) -> None:
    MlflowClient(tracking_uri=registry.tracking_uri).delete_registered_model(NAME)
    assert (registry.last_champion(), registry.former_champions()) == ("3", [])
    # Another MLflow, or another model, has had none.
    assert ModelRegistry("other", registry.tracking_uri, store).last_champion() is None


def test_last_champion_is_none_where_the_first_promotion_was_undone(
    candidate: MakeCandidate, uri: str, store: Path
) -> None:
    version, verdict = candidate("first")
    broken = ModelRegistry(NAME, uri, store, FailingClient(uri, "set_registered_model_alias", 1))
    with pytest.raises(AssayError, match="the server went away"):
        broken.promote(version, verdict, None, "better")
    registry = ModelRegistry(NAME, uri, store)
    assert [move.state for move in registry.history()] == ["undone"]
    assert (registry.last_champion(), registry.former_champions()) == (None, [])
