"""Fixtures that tests of several folders share."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient


@pytest.fixture(scope="session")
def _mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite registry with all its tables: making one takes seconds, copying one does not."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(tmp_path: Path, _mlflow_database: Path) -> Path:
    """A store folder with an empty MLflow in it."""
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(_mlflow_database, folder / "mlflow.db")
    return folder
