import re
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.registered_model import (
    BUNDLE_TAG,
    CARD,
    VERDICT_TAG,
    ModelAddress,
    RegistryClient,
    UnreachableError,
    card_folder,
    test_metrics,
    without_password,
)

# A function of the product and no test.
metrics_on_test_rows = test_metrics
del test_metrics
CHAMPION = ModelAddress("toy", "champion", None)


@pytest.fixture
def client(store: Path, toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """A registry in sqlite whose model `toy` has the bundle as version 1, champion, of a run with a card."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    shutil.copytree(toy.folder, store / "model" / "artifacts" / "bundle")
    run = client.create_run(client.create_experiment("toy", (store / "artifacts").as_uri()))
    client.create_registered_model("toy")
    tags = {BUNDLE_TAG: toy.digest, VERDICT_TAG: "v" * 64}
    client.create_model_version("toy", (store / "model").as_uri(), run_id=run.info.run_id, tags=tags)
    client.set_registered_model_alias("toy", "champion", "1")
    return client


def _registry(client: MlflowClient, public_key: str | None = None) -> RegistryClient:
    return RegistryClient(client._tracking_client.tracking_uri, public_key)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("models:/toy@champion", ModelAddress("toy", "champion", None)),
        ("models:/my model.v2/12", ModelAddress("my model.v2", None, "12")),
    ],
)
def test_model_address_reads_what_it_prints(text: str, address: ModelAddress) -> None:
    assert ModelAddress.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["toy", "models:/toy", "models:/toy/latest", "models:/toy/1@a", "models:/@a", ""])
def test_model_address_names_what_to_write(text: str) -> None:
    message = f"{text!r} is not a model address; write models:/NAME@champion or models:/NAME/3"
    with pytest.raises(AssayError, match=re.escape(message)):
        ModelAddress.parse(text)


@pytest.mark.parametrize("address", [CHAMPION, ModelAddress("toy", None, "1")])
def test_find_returns_the_version_with_its_digests(client: MlflowClient, toy: Bundle, address: ModelAddress) -> None:
    version = _registry(client).find(address)
    assert (version.name, version.number, version.digest, version.verdict) == ("toy", "1", toy.digest, "v" * 64)
    assert version.signature is None


def test_find_tells_a_version_of_others_from_one_that_is_not_there(client: MlflowClient) -> None:
    client.create_model_version("toy", "file:///nowhere")
    with pytest.raises(AssayError, match=r"models:/toy/2 has no tag assay\.bundle, .* train the model with assay run"):
        _registry(client).find(ModelAddress("toy", None, "2"))
    with pytest.raises(UnreachableError, match=r"models:/toy/3 could not be fetched from sqlite:.*; check the name"):
        _registry(client).find(ModelAddress("toy", None, "3"))


def test_fetch_leaves_nothing_in_the_cache_when_a_file_is_missing(
    client: MlflowClient, store: Path, tmp_path: Path
) -> None:
    registry = _registry(client)
    version = registry.find(CHAMPION)
    shutil.rmtree(store / "model")
    with pytest.raises(UnreachableError, match=r"models:/toy/1 could not be fetched from"):
        registry.fetch(version, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_fetch_verifies_the_cache_each_time(client: MlflowClient, tmp_path: Path) -> None:
    registry = _registry(client)
    version = registry.find(CHAMPION)
    bundle = registry.fetch(version, tmp_path / "cache")
    bundle.model_path.chmod(0o644)
    bundle.model_path.write_bytes(b"changed")
    with pytest.raises(AssayError, match="differs from its digest"):
        registry.fetch(version, tmp_path / "cache")


def test_metrics_are_those_on_test_rows(client: MlflowClient) -> None:
    registry = _registry(client)
    version = registry.find(CHAMPION)
    assert registry.metrics(version) == {}
    for name, value in {"test.tokens.f1": 0.9, "validation.tokens.f1": 0.8, "test.latency.p95_ms": 2.0}.items():
        client.log_metric(str(version.run_id), name, value)
    assert registry.metrics(version) == {"tokens.f1": 0.9, "latency.p95_ms": 2.0}
    assert registry.metrics(version._replace(run_id=None)) == {}


def test_card_is_that_of_the_verdict_of_the_version(client: MlflowClient) -> None:
    registry = _registry(client)
    version = registry.find(CHAMPION)
    assert registry.card(version) is None
    client.log_text(str(version.run_id), "<h1>Süß</h1>", f"{card_folder('v' * 64)}/{CARD}")
    assert registry.card(version) == "<h1>Süß</h1>"
    for changed in ({"run_id": None}, {"verdict": None}, {"verdict": "w" * 64}):
        assert registry.card(version._replace(**changed)) is None


def test_registry_client_names_a_sqlite_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database" * 100)
    with pytest.raises(AssayError, match=r"mlflow\.db"):
        RegistryClient(f"sqlite:///{tmp_path}/mlflow.db")


def test_test_metrics_removes_the_prefix_alone() -> None:
    found = metrics_on_test_rows({"test.test.f1": 1.0, "latest.f1": 2.0, "test.": 3.0, "f1": 4.0})
    assert found == {"test.f1": 1.0, "": 3.0}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://anna:p%40ss@host:5000/a@b", "http://***@host:5000/a@b"),
        ("http://host/a@b", "http://host/a@b"),
        ("postgresql://u:p@h/db and mongodb://v:q@g", "postgresql://***@h/db and mongodb://***@g"),
        ("http://u:p@ss@host/", "http://***@host/"),
        ("jdbc://h/db?user=anna&password=x&ssl=1", "jdbc://h/db?user=***&password=***&ssl=1"),
        ("models:/toy@champion", "models:/toy@champion"),
    ],
)
def test_without_password_hides_users_and_passwords(text: str, shown: str) -> None:
    assert without_password(text) == shown
