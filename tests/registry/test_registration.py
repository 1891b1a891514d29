from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from assay.corpus.errors import AssayError
from assay.registry.card_descriptions import LONGEST_DESCRIPTION
from assay.registry.model_registry import ModelRegistry
from assay.registry.registration import add_note, describe_version, register_bundle
from assay.registry.versions import Version
from assay.serving.address import open_bundle
from tests.bundles import build_bundle
from tests.registry.toy_registry import (
    NAME,
    WORDS,
    FailingClient,
    MakeBundle,
    MakeCandidate,
    a_verdict,
)


def test_register_bundle_keeps_the_bundle_unchanged(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    # When a bundle is registered,
    bundle = make_bundle("first", WORDS)
    verdict = a_verdict(bundle)
    version = register_bundle(registry, mlflow_run, bundle.folder, verdict, {"assay.snapshot": "s"})
    # then the version tells what it is,
    assert (version.number, version.bundle, version.outcome) == ("1", bundle.digest, "passed")
    assert version.tags["assay.verdict"] == verdict.digest
    assert version.tags["assay.snapshot"] == "s"
    assert version.run_id == mlflow_run
    assert version.address == "models:/toy/1"
    # and its bytes are those of the bundle, for the gate and for the server.
    assert registry.fetch(version, tmp_path / "fetched").digest == bundle.digest
    assert open_bundle("models:/toy/1", tmp_path / "cache", registry.tracking_uri).digest == bundle.digest


def test_register_bundle_stores_a_model_without_pickle(
    candidate: MakeCandidate, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given that MLflow may not unpickle anything,
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    version, _ = candidate("first")
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    # when the model is loaded as any MLflow model is,
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(client.get_model_version_download_uri(NAME, version.number))
    # then it answers, and knows its columns.
    predictions = model.predict(pd.DataFrame({"text": ["a bad day"]}))
    assert predictions["label"].tolist() == ["negative"]
    assert model.metadata.get_input_schema().input_names() == ["text"]


def test_register_bundle_creates_one_version_if_repeated(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    # Given a registered bundle,
    bundle = make_bundle("first", WORDS)
    first = register_bundle(registry, mlflow_run, bundle.folder, a_verdict(bundle), {})
    # when it comes again with another verdict,
    later = a_verdict(bundle, passed=False)
    second = register_bundle(registry, mlflow_run, bundle.folder, later, {})
    # then it is the same version with the later verdict, and its files were uploaded once.
    assert second.number == first.number
    assert (second.outcome, second.tags["assay.verdict"]) == ("refused", later.digest)
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1
    outputs = client.get_run(mlflow_run).outputs
    assert outputs is not None
    assert len(outputs.model_outputs) == 1


def test_register_bundle_accepts_a_name_with_dots(uri: str, store: Path, mlflow_run: str, tmp_path: Path) -> None:
    # MLflow takes dots in the name of a registered model, and none in that of a logged one
    folder = tmp_path / "dotted"
    folder.mkdir()
    bundle = build_bundle(folder, WORDS, {}, None, {"name": "news.v2"})
    version = register_bundle(ModelRegistry("news.v2", uri, store), mlflow_run, folder, a_verdict(bundle), {})
    assert version.address == "models:/news.v2/1"
    assert open_bundle("models:/news.v2/1", tmp_path / "cache", uri).digest == bundle.digest


def test_register_bundle_accepts_a_bundle_whose_run_was_removed(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    # given a version whose MLflow run was deleted, and removed for good by `mlflow gc`
    bundle = make_bundle("first", WORDS)
    version = register_bundle(registry, mlflow_run, bundle.folder, a_verdict(bundle), {})
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    experiment = client.get_run(mlflow_run).info.experiment_id
    client.delete_run(mlflow_run)
    tracking: Any = SqlAlchemyStore  # MLflow declares no types here
    tracking(registry.tracking_uri, ".")._hard_delete_run(mlflow_run)
    assert registry.tagged_verdict(version) is None
    # when the same bundle comes again with another run
    again = client.create_run(experiment).info.run_id
    assert register_bundle(registry, again, bundle.folder, a_verdict(bundle), {}).number == version.number


def test_register_bundle_deletes_a_version_that_a_repeated_request_made(
    uri: str, store: Path, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    # Given a client that sends the request to create a version twice, as after a lost answer,
    class Repeating(MlflowClient):
        def create_model_version(self, *args: Any, **kwargs: Any) -> Any:
            super().create_model_version(*args, **kwargs)
            return super().create_model_version(*args, **kwargs)

    registry = ModelRegistry(NAME, uri, store, Repeating(tracking_uri=uri))
    bundle = make_bundle("first", WORDS)
    # when a bundle is registered,
    version = register_bundle(registry, mlflow_run, bundle.folder, a_verdict(bundle), {})
    # then the lower one of both versions is left.
    assert version.number == "1"
    (left,) = MlflowClient(tracking_uri=uri).search_model_versions(f"name = '{NAME}'")
    assert Version.of(left) == version


def test_register_bundle_removes_the_failed_checks_of_a_bundle_that_passes_later(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    bundle = make_bundle("first", WORDS)
    register_bundle(registry, mlflow_run, bundle.folder, a_verdict(bundle, passed=False), {"assay.failed": "latency"})
    version = register_bundle(registry, mlflow_run, bundle.folder, a_verdict(bundle), {})
    assert version.outcome == "passed"
    assert "assay.failed" not in version.tags


def test_register_bundle_refuses_a_verdict_about_another_bundle(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    first, second = make_bundle("first", WORDS), make_bundle("second", WORDS, max_length=5)
    with pytest.raises(AssayError, match="the verdict is about bundle"):
        register_bundle(registry, mlflow_run, first.folder, a_verdict(second), {})
    assert MlflowClient(tracking_uri=registry.tracking_uri).search_registered_models() == []


def test_describe_version_and_add_note_write_what_mlflow_shows(
    candidate: MakeCandidate, registry: ModelRegistry
) -> None:
    version, _ = candidate("first")
    client = MlflowClient(tracking_uri=registry.tracking_uri)

    def shown() -> str:
        return str(client.get_model_version(NAME, version.number).description)

    add_note(registry, version, "**approved by Ann**")
    assert shown() == "**approved by Ann**\n\n"
    describe_version(registry, version, "# The card")
    add_note(registry, version, "**refused by Bob**")
    assert shown() == "**refused by Bob**\n\n# The card"
    # a text that is too long for MLflow's database is cut, with the note still on top
    describe_version(registry, version, "# The card\n\n## Data\n\n" + "x" * LONGEST_DESCRIPTION)
    add_note(registry, version, "**approved by Ann**")
    assert shown().startswith("**approved by Ann**\n\n# The card")
    assert len(shown()) <= LONGEST_DESCRIPTION


def test_registration_reports_an_unreachable_mlflow_in_one_line(
    candidate: MakeCandidate, registry: ModelRegistry, mlflow_run: str, tmp_path: Path, store: Path
) -> None:
    version, verdict = candidate("first")
    broken = ModelRegistry(NAME, registry.tracking_uri, store, FailingClient(registry.tracking_uri, "log_text", 1))
    with pytest.raises(AssayError, match="the server went away"):
        register_bundle(broken, mlflow_run, tmp_path / "first", verdict, {})
    for write in (describe_version, add_note):
        client = FailingClient(registry.tracking_uri, "update_model_version", 1)
        with pytest.raises(AssayError, match="the server went away"):
            write(ModelRegistry(NAME, registry.tracking_uri, store, client), version, "a line")
