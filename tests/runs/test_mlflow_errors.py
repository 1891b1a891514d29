from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from assay.runs.mlflow_errors import EXISTS, NO_ALIAS, NOT_FOUND, found


@pytest.fixture
def client(store: Path) -> MlflowClient:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db", registry_uri=f"sqlite:///{store}/mlflow.db")
    client.create_registered_model("toy")
    return client


def test_found_returns_what_there_is(client: MlflowClient) -> None:
    model = found(lambda: client.get_registered_model("toy"))
    assert model is not None
    assert model.name == "toy"


def test_found_is_none_for_what_mlflow_does_not_know(client: MlflowClient) -> None:
    assert found(lambda: client.get_run("0" * 32)) is None
    assert found(lambda: client.get_registered_model("other")) is None
    assert found(lambda: client.get_model_version("toy", "7")) is None
    assert found(lambda: client.delete_model_version("toy", "7")) is None
    # an alias that is not there has a code of its own, unless its model is not there either
    assert found(lambda: client.get_model_version_by_alias("toy", "champion"), (NOT_FOUND, NO_ALIAS)) is None
    assert found(lambda: client.get_model_version_by_alias("other", "champion"), (NOT_FOUND, NO_ALIAS)) is None


def test_found_raises_any_other_error(client: MlflowClient) -> None:
    with pytest.raises(MlflowException) as caught:
        found(lambda: client.create_registered_model("toy"))
    assert caught.value.error_code == EXISTS
    with pytest.raises(MlflowException) as caught:
        found(lambda: client.get_model_version_by_alias("toy", "champion"))
    assert caught.value.error_code == NO_ALIAS
    with pytest.raises(MlflowException, match="the server went away"):
        found(lambda: _fail())


def _fail() -> None:
    raise MlflowException("the server went away")
