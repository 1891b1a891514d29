from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry.champion_promotion import promote_version
from assay.registry.model_registry import ModelRegistry
from assay.registry.versions import Version
from tests.registry.toy_registry import (
    NAME,
    Candidate,
    FailingClient,
    MakeCandidate,
    lose_history,
)


def test_fetch_and_promote_refuse_changed_bytes(
    candidate: MakeCandidate, registry: ModelRegistry, tmp_path: Path
) -> None:
    # Given a version whose graph somebody replaced,
    version, verdict = candidate("first")
    (graph,) = (tmp_path / "artifacts").rglob("model.onnx")
    graph.write_bytes(b"another graph")
    # then it can neither be fetched nor promoted, and nothing is left behind.
    with pytest.raises(AssayError, match=r"model\.onnx differs from its digest"):
        registry.fetch(version, tmp_path / "fetched")
    with pytest.raises(AssayError, match=r"model\.onnx differs from its digest"):
        promote_version(registry, version, verdict, None, "better")
    assert registry.champion() is None
    assert not (tmp_path / "fetched").exists()


def test_fetch_refuses_a_version_without_our_tags(registry: ModelRegistry, tmp_path: Path) -> None:
    version = Version(name=NAME, number="7", tags={})
    with pytest.raises(AssayError, match=r"models:/toy/7 has no tag assay\.bundle"):
        registry.fetch(version, tmp_path / "fetched")


def test_version_reports_an_unknown_number_in_one_line(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    candidate("first")
    with pytest.raises(AssayError, match="toy has no version 9; see assay history toy"):
        registry.version("9")


def test_model_registry_without_the_model_is_empty(registry: ModelRegistry) -> None:
    assert (registry.champion(), registry.previous(), registry.history()) == (None, None, [])


def test_model_registry_reports_an_unreachable_mlflow_without_the_password(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = ModelRegistry(NAME, "http://anna:secret@127.0.0.1:9", store)
    with pytest.raises(AssayError) as caught:
        registry.champion()
    line = str(caught.value)
    assert "127.0.0.1:9" in line
    assert "secret" not in line
    assert "\n" not in line


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
        promote_version(broken, version, verdict, None, "better")
    registry = ModelRegistry(NAME, uri, store)
    assert [move.state for move in registry.history()] == ["undone"]
    assert (registry.last_champion(), registry.former_champions()) == (None, [])
