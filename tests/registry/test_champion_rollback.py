import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry import champion_rollback
from assay.registry.champion_change import verify_and_sign
from assay.registry.champion_promotion import promote_version
from assay.registry.champion_rollback import roll_back
from assay.registry.model_registry import ModelRegistry
from assay.registry.versions import Version
from tests.registry.toy_registry import (
    NAME,
    Candidate,
    MakeCandidate,
    aliases,
    lose_history,
)


def test_roll_back_restores_the_previous_champion(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    first, passed_first = candidate("first")
    second, passed_second = candidate("second")
    promote_version(registry, first, passed_first, None, "better")
    promote_version(registry, second, passed_second, first, "better")
    # When the previous one is put back,
    move = roll_back(registry, None, "wrong about Berlin", "run-9")
    # then the aliases have changed places, and the history tells it.
    assert aliases(registry) == ("1", "2")
    assert (move.kind, move.source, move.target, move.reason) == ("rollback", "2", "1", "wrong about Berlin")
    assert move.verdict == passed_first.digest
    assert registry.history()[-1] == move


def test_roll_back_only_restores_former_champions(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    first, verdict = candidate("first")
    candidate("second", passed=False)
    promote_version(registry, first, verdict, None, "better")
    with pytest.raises(AssayError, match="toy has no previous champion"):
        roll_back(registry, None, "worse")
    with pytest.raises(AssayError, match="models:/toy/2 never was champion"):
        roll_back(registry, "2", "worse")
    with pytest.raises(AssayError, match="models:/toy/1 is the champion already"):
        roll_back(registry, "1", "worse")
    with pytest.raises(AssayError, match="needs a reason"):
        roll_back(registry, "1", " ")
    assert aliases(registry) == ("1", None)


def test_roll_back_passes_over_no_champion_that_was_promoted_meanwhile(
    champions: list[Candidate], candidate: MakeCandidate, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a fourth version that is promoted while the rollback of the third fetches its target,
    fourth, verdict = candidate("dddd")
    verify = verify_and_sign

    def promote_meanwhile(registry: ModelRegistry, version: Version) -> None:
        verify(registry, version)
        promote_version(registry, fourth, verdict, champions[2][0], "better")

    monkeypatch.setattr(champion_rollback, "verify_and_sign", promote_meanwhile)
    # when it goes on, then it takes down none that the person has not seen.
    with pytest.raises(AssayError, match="models:/toy/4 was promoted meanwhile; see assay history toy"):
        roll_back(registry, None, "insults customers")
    assert aliases(registry) == ("4", "3")


def test_roll_back_never_restores_a_rolled_back_version(champions: list[Candidate], registry: ModelRegistry) -> None:
    # Given three champions, when each of two people on call rolls back, then the second one gets an earlier version,
    roll_back(registry, None, "insults customers")
    roll_back(registry, None, "the second person on call does the same")
    champion = registry.champion()
    assert champion is not None
    assert champion.number == "1"
    # and where none is left, one line says so; by name a version can be put back.
    with pytest.raises(AssayError, match="no previous champion that no rollback took down; name a version with --to"):
        roll_back(registry, None, "once more")
    roll_back(registry, "3", "it was the customers")
    assert [move.target for move in registry.history()] == ["1", "2", "3", "2", "1", "3"]


def test_roll_back_skips_a_deleted_version(champions: list[Candidate], registry: ModelRegistry) -> None:
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "2")
    assert roll_back(registry, None, "worse").target == "1"


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
def test_roll_back_skips_a_version_that_cannot_be_downloaded(
    champions: list[Candidate], registry: ModelRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    damage(registry, tmp_path, "2", how)
    assert roll_back(registry, None, "worse").target == "1"
    assert "models:/toy/2 is passed over: " in caplog.text
    # By name it is not put back either.
    with pytest.raises(AssayError):
        roll_back(registry, "2", "worse")


def test_roll_back_names_all_versions_that_cannot_be_downloaded(
    champions: list[Candidate], registry: ModelRegistry, tmp_path: Path
) -> None:
    for number in ("1", "2"):
        damage(registry, tmp_path, number, "graph replaced")
    with pytest.raises(
        AssayError, match=r"no previous champion that can be fetched \(models:/toy/2: .*models:/toy/1: "
    ) as caught:
        roll_back(registry, None, "worse")
    assert "\n" not in str(caught.value)
    assert aliases(registry) == ("3", "2")


def test_roll_back_remains_after_its_version_is_deleted(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate, tmp_path: Path
) -> None:
    digest = champions[-1][0].bundle
    roll_back(registry, None, "insults customers")
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "3")
    assert "insults customers" in str(registry.why_rolled_back(digest))
    assert registry.why_rolled_back(champions[0][0].bundle) is None


@pytest.mark.parametrize("to", [None, "2", "1"])
def test_roll_back_works_without_history(champions: list[Candidate], registry: ModelRegistry, to: str | None) -> None:
    lose_history(registry)
    move = roll_back(registry, to, "insults customers")
    assert (move.source, move.target, move.forced) == ("3", to or "2", None)
    assert move.verdict == champions[int(move.target) - 1][1].digest
    assert registry.why_rolled_back(champions[-1][0].bundle) is not None


def test_roll_back_works_without_the_start_of_the_history(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate
) -> None:
    # Given one promotion since the history was lost,
    lose_history(registry)
    fourth, passed = candidate("dddd")
    promote_version(registry, fourth, passed, champions[-1][0], "better")
    # then the champion that it replaced can be put back, and by name an earlier one.
    assert roll_back(registry, None, "worse").target == "3"
    assert roll_back(registry, "1", "worse, too").target == "1"


def test_roll_back_without_history_only_restores_promoted_versions(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate
) -> None:
    candidate("dddd", passed=False)
    lose_history(registry)
    with pytest.raises(AssayError, match="models:/toy/4 never was champion"):
        roll_back(registry, "4", "worse")
