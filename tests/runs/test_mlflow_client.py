import os
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.runs.mlflow_client import SETTINGS, connect, full_address, stored_address


def test_connect_keeps_settings_of_the_environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    connect(f"sqlite:///{store}/mlflow.db")
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "3"


def test_connect_refuses_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssayError, match=r"mlflow\.db: File exists; name another file in MLFLOW_TRACKING_URI"):
        connect(f"sqlite:///{tmp_path}/file/mlflow.db")


@pytest.mark.parametrize(
    ("uri", "stored"),
    [
        ("http://user:secret@host:5000/", "http://host:5000/"),
        ("https://user:s%40cret@host/mlflow?token=secret", "https://host/mlflow"),
        ("postgresql://user:secret@host/db", "postgresql://host/db"),
        ("postgresql+psycopg2://host/db?user=me&password=secret#x", "postgresql+psycopg2://host/db"),
        ("http://user:secret@[::1", "http://***@[::1"),
        ("databricks", "databricks"),
        ("sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
    ],
)
def test_stored_address_holds_no_credentials(tmp_path: Path, uri: str, stored: str) -> None:
    assert stored_address(uri, tmp_path) == stored


def test_full_address_takes_credentials_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@host:5000")
    assert full_address("http://host:5000/", tmp_path) == "http://user:secret@host:5000"
    assert full_address("http://other:5000", tmp_path) == "http://other:5000"


def test_stored_address_of_the_own_database_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert stored_address("sqlite:///store/mlflow.db", Path("store")) == "mlflow.db"
    assert full_address("mlflow.db", Path("store")) == f"sqlite:///{tmp_path}/store/mlflow.db"
