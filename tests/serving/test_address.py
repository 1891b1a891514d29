import re
import shutil
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command
from assay.serving.address import BUNDLE_TAG, ModelAddress, default_tracking_uri, open_bundle, pin_address
from assay.serving.bundle import MODEL, Bundle


@pytest.fixture
def registry(store: Path, toy: Bundle) -> str:
    """Return the address of an MLflow registry whose model `toy` has the bundle as version 1, champion."""
    uri = f"sqlite:///{store}/mlflow.db"
    model = store / "model" / "artifacts"
    shutil.copytree(toy.folder, model / "bundle")
    client = MlflowClient(tracking_uri=uri)
    client.create_registered_model("toy")
    client.create_model_version("toy", model.parent.as_uri(), tags={BUNDLE_TAG: toy.digest})
    client.set_registered_model_alias("toy", "champion", "1")
    return uri


def test_open_bundle_opens_a_folder_without_mlflow(toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert open_bundle(toy.folder).digest == toy.digest
    assert open_bundle(str(toy.folder)).digest == toy.digest


@pytest.mark.parametrize("address", ["models:/toy@champion", "models:/toy/1"])
def test_open_bundle_downloads_a_model_once_by_alias_or_version(
    registry: str, toy: Bundle, tmp_path: Path, address: str
) -> None:
    cache = tmp_path / "cache"
    bundle = open_bundle(address, cache, registry)
    assert bundle.digest == toy.digest
    assert bundle.folder == cache / toy.digest
    # the second call does not need the files of the registry
    shutil.rmtree(tmp_path / "store" / "model")
    assert open_bundle(address, cache, registry).digest == toy.digest
    assert [path.name for path in cache.iterdir()] == [toy.digest]


@pytest.mark.parametrize("address", ["models:/toy@champion", "models:/toy/1", "some/folder"])
def test_pinned_replaces_an_alias_with_its_version(registry: str, address: str) -> None:
    assert pin_address(address, registry) == address.replace("@champion", "/1")


def test_open_bundle_keeps_changed_files_out_of_the_cache(registry: str, tmp_path: Path) -> None:
    path = tmp_path / "store" / "model" / "artifacts" / "bundle" / MODEL
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(AssayError, match="differs from its digest"):
        open_bundle("models:/toy@champion", tmp_path / "cache", registry)
    assert list((tmp_path / "cache").iterdir()) == []


def test_open_bundle_refuses_a_model_that_assay_did_not_register(registry: str, tmp_path: Path) -> None:
    MlflowClient(tracking_uri=registry).delete_model_version_tag("toy", "1", BUNDLE_TAG)
    with pytest.raises(AssayError, match=re.escape("models:/toy/1 has no tag assay.bundle")):
        open_bundle("models:/toy/1", tmp_path / "cache", registry)


@pytest.mark.parametrize("address", ["models:/toy@challenger", "models:/toy/7", "models:/other@champion"])
def test_open_bundle_reports_a_missing_version_in_one_line(registry: str, tmp_path: Path, address: str) -> None:
    with pytest.raises(AssayError, match=f"{address} could not be fetched from sqlite") as caught:
        open_bundle(address, tmp_path / "cache", registry)
    assert "\n" not in str(caught.value)


def test_open_bundle_reports_an_unreachable_server_without_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(AssayError, match=r"could not be fetched from http://\*\*\*@127\.0\.0\.1:9") as caught:
        open_bundle("models:/toy@champion", tmp_path, "http://user:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_open_bundle_names_the_extra_to_install_without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(AssayError, match=re.escape(install_command("registry"))):
        open_bundle("models:/toy@champion")


@pytest.mark.parametrize(
    "address", ["models:/toy", "models:/toy@", "models:/toy/latest", "models:/a/b/1", "models:toy/1"]
)
def test_open_bundle_refuses_malformed_addresses(address: str) -> None:
    with pytest.raises(AssayError, match="write models:/NAME@champion"):
        open_bundle(address)


def test_model_address_prints_as_it_was_written() -> None:
    for text in ("models:/toy@champion", "models:/toy/3"):
        assert str(ModelAddress.parse(text)) == text


def test_default_tracking_uri_prefers_the_environment_to_the_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert default_tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert default_tracking_uri(tmp_path) == "http://server"
