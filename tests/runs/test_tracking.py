import errno
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR, INVALID_PARAMETER_VALUE, PERMISSION_DENIED

from assay.corpus.errors import AssayError
from assay.recipes.recipe import Recipe
from assay.runs.tracking import git_commit, is_flow_run, mlflow_reachable, tracking_uri_for
from tests.snapshots import recipe_values

SERVER = "http://anna:geheim@host:5000"


@pytest.mark.parametrize(
    ("uri", "error", "line"),
    [
        (
            SERVER,
            MlflowException("Connection refused.\nat line 1", INTERNAL_ERROR),
            "MLflow at http://***@host:5000 is not responding correctly: Connection refused; check "
            "registry.tracking_uri and that the server is up (assay doctor)",
        ),
        (
            SERVER,
            MlflowException("Tag value too long", INVALID_PARAMETER_VALUE),
            "MLflow at http://***@host:5000 refuses a value: Tag value too long; change what the message names",
        ),
        (SERVER, MlflowException("bad", BAD_REQUEST), "MLflow at http://***@host:5000 refuses a value: bad; change"),
        (
            SERVER,
            MlflowException("Permission denied", PERMISSION_DENIED),
            "MLflow at http://***@host:5000 refuses: Permission denied; check MLFLOW_TRACKING_USERNAME and",
        ),
        (
            SERVER,
            MlflowException("The run x must be active. Current state is deleted.", INVALID_PARAMETER_VALUE),
            "MLflow at http://***@host:5000: The run x must be active. Current state is deleted; run the same command",
        ),
        (
            "sqlite:////srv/mlflow.db",
            MlflowException("(sqlite3.OperationalError) database is locked", INTERNAL_ERROR),
            "MLflow at sqlite:////srv/mlflow.db is not responding correctly: (sqlite3.OperationalError) database is "
            "locked; another process holds it; wait for that process, or end it (assay doctor)",
        ),
    ],
    ids=["down", "value", "request", "permission", "deleted", "sqlite"],
)
def test_mlflow_reachable_names_fault_and_remedy_without_password(uri: str, error: MlflowException, line: str) -> None:
    with pytest.raises(AssayError) as caught, mlflow_reachable(uri):
        raise error
    assert str(caught.value).startswith(line)
    assert "geheim" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_mlflow_reachable_hides_a_password_that_mlflow_quotes() -> None:
    error = MlflowException(f"API request to {SERVER}/api failed " + "x" * 999, INTERNAL_ERROR)
    with pytest.raises(AssayError) as caught, mlflow_reachable(SERVER):
        raise error
    assert "geheim" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_mlflow_reachable_names_a_full_disk_and_passes_other_errors() -> None:
    with pytest.raises(AssayError, match="the disk of MLflow: No space left on device; free"), mlflow_reachable(SERVER):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(KeyError), mlflow_reachable(SERVER):
        raise KeyError("a defect")


def test_tracking_uri_for_prefers_recipe_then_environment_then_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Recipe.model_validate(recipe_values())
    own = Recipe.model_validate(recipe_values(registry={"name": "tiny", "tracking_uri": "http://recipe:5000"}))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment:5000")
    assert tracking_uri_for(own, tmp_path) == "http://recipe:5000"
    assert tracking_uri_for(plain, tmp_path) == "http://environment:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri_for(plain, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"


def test_is_flow_run_knows_the_ids_of_flow_runs() -> None:
    assert is_flow_run(str(uuid4()))
    assert not is_flow_run("tiny-1a2b3c4d-1")
    assert not is_flow_run("")


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_git_commit_is_none_without_git(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fails)
    assert git_commit() is None
