import os
from pathlib import Path

import pytest

from corpus.errors import AssayError
from tasks.versions.connection import SETTINGS, connect


def test_what_the_environment_sets_stays(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    connect(f"sqlite:///{store}/mlflow.db")
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "3"


def test_a_database_that_can_never_be_opened_is_one_line_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssayError, match=r"mlflow\.db: File exists; name another file in MLFLOW_TRACKING_URI"):
        connect(f"sqlite:///{tmp_path}/file/mlflow.db")
