"""Several models in one server."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from assay.corpus.errors import AssayError
from assay.serving.http.active_model import ActiveModel, Origin, load_model
from assay.serving.http.app import make_app
from assay.serving.http.model_set import ModelSet
from tests.bundles import build_bundle
from tests.servers import serving
from tests.serving.conftest import BuildToy
from tests.serving.http.conftest import LOCAL, make_parts, metric


@pytest.fixture
def client(build_toy: BuildToy, tmp_path: Path) -> Iterator[TestClient]:
    """Yield a client of a server of `toy` and `mood`."""
    settings, active_model, batcher, metrics = make_parts(build_toy())
    (tmp_path / "mood").mkdir()
    other = build_bundle(tmp_path / "mood", {"good": "glad", "bad": "sad"}, {})
    mood = ActiveModel(load_model(other, Origin("mood", "7")))
    metrics.set_model(mood.model)
    app = make_app(settings, active_model, batcher, metrics, others=[mood])
    with TestClient(app, base_url=LOCAL, raise_server_exceptions=False) as client:
        yield client


def test_requests_name_a_model_or_get_the_first_one(client: TestClient) -> None:
    for query, label in (("", "up"), ("?model=toy", "up"), ("?model=mood", "glad")):
        native = client.post(f"/predict{query}", json={"text": "good"}).json()["predictions"]
        mlflow = client.post(f"/invocations{query}", json={"instances": ["good"]}).json()["predictions"]
        assert [native[0]["label"], mlflow[0]["label"]] == [label, label]
    body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}]}
    for name, label in (("toy", "up"), ("mood", "glad")):
        response = client.post(f"/v2/models/{name}/infer", json=body).json()
        assert (response["model_name"], response["outputs"][0]["data"]) == (name, [label])
        assert client.get(f"/v2/models/{name}/ready").json() == {"name": name, "ready": True}


def test_unknown_model_is_refused_before_the_body_is_read(client: TestClient) -> None:
    for path in ("/predict?model=none", "/invocations?model=none", "/v2/models/none/infer"):
        response = client.post(path, content=b"{")
        assert (response.status_code, "toy version 3 or mood version 7" in response.json()["error"]) == (404, True)


def test_index_lists_all_models_and_model_describes_one(client: TestClient) -> None:
    index = client.post("/v2/repository/index").json()
    assert [(entry["name"], entry["version"], entry["state"]) for entry in index] == [
        ("toy", "3", "READY"),
        ("mood", "7", "READY"),
    ]
    described = client.get("/model?model=mood").json()
    assert (described["name"], described["models"]) == ("mood", ["toy", "mood"])
    assert client.get("/model").json()["name"] == "toy"
    assert metric(client, "assay_model_info") == 2


def test_two_models_of_one_name_are_refused(build_toy: BuildToy) -> None:
    active = ActiveModel(load_model(build_toy()))
    with pytest.raises(AssayError, match="two models are named 'toy'"):
        ModelSet(active, (active,))


@pytest.mark.slow  # a server as a process
def test_serve_takes_several_models(build_toy: BuildToy, tmp_path: Path) -> None:
    (tmp_path / "mood").mkdir()
    other = build_bundle(tmp_path / "mood", {"good": "glad", "bad": "sad"}, {}, changes={"name": "mood"})
    with serving(build_toy().folder, tmp_path / "log", "--model", str(other.folder)) as server:
        response = httpx.post(f"{server.url}/predict?model=mood", json={"text": "bad"})
    assert response.json()["predictions"][0]["label"] == "sad"
