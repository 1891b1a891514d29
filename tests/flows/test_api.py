import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, temporary_settings
from starlette.testclient import TestClient

from assay.corpus.errors import AssayError
from assay.flows.api import make_app, serve
from assay.flows.api_access import LARGEST_BODY
from assay.flows.training import train
from assay.recipes.recipe import Recipe
from assay.runs.tags import APPROVAL_TAG
from tests.approvals import World
from tests.flows.tiny import make_recipe

pytestmark = pytest.mark.usefixtures("prefect_server")

TOKEN = "a secret of the tests"
SETTINGS = {"training.epochs": 2, "training.batch_size": 16, "training.learning_rate": 2e-3, "training.epsilon": 1e-6}


@pytest.fixture
def deployed(corpus: Path, store: Path) -> Recipe:
    """Deploy a recipe, without a worker."""
    recipe = make_recipe(corpus, name=f"tiny-{uuid4().hex[:6]}")
    parameters = {"recipe": recipe.model_dump(mode="json"), "store": str(store)}
    Runner().add_flow(train, name=recipe.name, parameters=parameters)
    return recipe


@pytest.fixture
def client(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Return a client with the token."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with TestClient(make_app(TOKEN, store), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def test_start_run_applies_the_overrides_of_the_client(client: TestClient, deployed: Recipe) -> None:
    response = client.post("/runs", json={"recipe": deployed.name, "overrides": SETTINGS})
    assert response.status_code == 202
    assert response.headers["location"] == response.json()["address"] == f"/runs/{response.json()['id']}"
    started = flow_run(response.json()["id"])
    settings = started.parameters["recipe"]["training"]
    assert {
        f"training.{name}": settings[name] for name in ("epochs", "batch_size", "learning_rate", "epsilon")
    } == SETTINGS
    shown = client.get(response.headers["location"]).json()
    assert (shown["recipe"], shown["state"]) == (deployed.name, "SCHEDULED")
    assert (shown["metrics"], shown["verdict"], shown["predictions"]) == ({}, None, None)
    assert client.get(f"{response.headers['location']}/predictions").status_code == 404


def test_start_run_starts_one_run_per_idempotency_key(client: TestClient, deployed: Recipe) -> None:
    body, key = {"recipe": deployed.name}, {"Idempotency-Key": str(uuid4())}
    first, second = (client.post("/runs", json=body, headers=key).json()["id"] for _ in range(2))
    assert first == second
    assert client.post("/runs", json=body).json()["id"] != first


def test_start_run_separates_idempotency_keys_by_deployment(client: TestClient, deployed: Recipe, store: Path) -> None:
    # given a key that another recipe, and a run that was not started here, have used
    other = deployed.model_copy(update={"name": f"other-{uuid4().hex[:6]}"})
    parameters = {"recipe": other.model_dump(mode="json"), "store": str(store)}
    Runner().add_flow(train, name=other.name, parameters=parameters)
    key = f"order-{uuid4()}"
    with get_client(sync_client=True) as prefect:
        deployment = prefect.read_deployment_by_name(f"train/{deployed.name}")
        nightly = prefect.create_flow_run_from_deployment(deployment.id, idempotency_key=key)
    # when it comes with each recipe
    headers = {"Idempotency-Key": key}
    responses = [
        client.post("/runs", json={"recipe": one.name}, headers=headers) for one in (deployed, other, deployed)
    ]
    # then each has a run of its own, and the same request the same run
    assert [response.status_code for response in responses] == [202, 202, 202]
    ids = [response.json()["id"] for response in responses]
    assert ids[0] == ids[2] != ids[1]
    assert str(nightly.id) not in ids
    assert [flow_run(id).parameters["recipe"]["name"] for id in ids[:2]] == [deployed.name, other.name]


@pytest.mark.parametrize("overrides", [{}, {"training.epochs": 3}, {"training.epochs": 2, "training.seed": 2}])
def test_start_run_refuses_other_parameters_under_a_used_key(
    client: TestClient, deployed: Recipe, overrides: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": f"order-{uuid4()}"}
    body = {"recipe": deployed.name, "overrides": {"training.epochs": 2, "training.seed": 1}}
    first = client.post("/runs", json=body, headers=headers).json()["id"]
    refused = client.post("/runs", json={"recipe": deployed.name, "overrides": overrides}, headers=headers)
    assert refused.status_code == 409
    assert f"has started run {first} of {deployed.name} with other parameters" in refused.json()["error"]
    assert "\n" not in refused.json()["error"]
    # the order of the parameters is no difference, and neither is a deployment that was made anew since
    parameters = {"recipe": {**deployed.model_dump(mode="json"), "description": "new"}, "store": "elsewhere"}
    Runner().add_flow(train, name=deployed.name, parameters=parameters)
    body["overrides"] = {"training.seed": 1, "training.epochs": 2}
    assert client.post("/runs", json=body, headers=headers).json()["id"] == first


def test_start_run_refuses_an_empty_idempotency_key(client: TestClient, deployed: Recipe) -> None:
    response = client.post("/runs", json={"recipe": deployed.name}, headers={"Idempotency-Key": " "})
    assert response.status_code == 422
    assert [fault["parameter"] for fault in response.json()["parameters"]] == ["Idempotency-Key"]


def test_show_run_shows_the_verdict_of_a_pending_run(client: TestClient, store: Path, tmp_path: Path) -> None:
    # given a run that was started here, and whose model waits
    recipe = make_recipe(tmp_path / "rows.jsonl", name=f"toy-{uuid4().hex[:6]}", registry={"name": "toy"})
    parameters = {"recipe": recipe.model_dump(mode="json"), "store": str(store)}
    Runner().add_flow(train, name=recipe.name, parameters=parameters)
    run_id = client.post("/runs", json={"recipe": recipe.name}).json()["id"]
    world = World(store, tmp_path)
    MlflowClient(tracking_uri=world.uri).set_tag(world.mlflow_run, "prefect.flow_run", run_id)
    assert client.get(f"/runs/{run_id}").json()["verdict"] is None
    assert world.go("second", key=run_id).pending
    # when somebody asks, the verdict is there; what the end of the run leaves, is not
    shown = client.get(f"/runs/{run_id}").json()
    assert (shown["outcome"], shown["version"], shown["predictions"]) == ("pending", "models:/toy/2", None)
    assert [check["name"] for check in shown["verdict"]["checks"]] == ["latency"]
    assert client.get(f"/runs/{run_id}/predictions").status_code == 404
    # and once its time is over, it is refused, whether or not somebody has written that down
    asked = world.registry.version("2").approval
    assert asked is not None
    late = asked.model_copy(update={"expires": asked.asked}).model_dump_json()
    MlflowClient(tracking_uri=world.uri).set_model_version_tag("toy", "2", APPROVAL_TAG, late)
    for _ in range(2):
        shown = client.get(f"/runs/{run_id}").json()
        assert (shown["outcome"], shown["version"], shown["predictions"]) == ("refused", "models:/toy/2", None)
        assert shown["verdict"]["outcome"] == "passed"
        assert world.registry.pending() == []


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer \xe9"])
def test_api_refuses_requests_without_the_token(store: Path, header: str | None) -> None:
    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
    with TestClient(make_app(TOKEN, store)) as stranger:
        for response in (
            stranger.post("/runs", json={}, headers=headers),
            stranger.get(f"/runs/{uuid4()}", headers=headers),
            stranger.get("/nowhere", headers=headers),
        ):
            challenge = "Bearer" if header is None else 'Bearer error="invalid_token"'
            assert (response.status_code, response.headers["www-authenticate"]) == (401, challenge)


def test_api_without_token_serves_only_local_host_names(store: Path) -> None:
    with TestClient(make_app(None, store), base_url="http://127.0.0.1:8300") as local:
        assert local.get(f"/runs/{uuid4()}").status_code == 404
        assert local.get(f"/runs/{uuid4()}", headers={"Host": "rebound.example.org"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"overrides": {}}, "recipe"),
        ({"recipe": 3}, "recipe"),
        ({"recipe": "../../etc/passwd"}, "recipe"),
        ({"recipe": "x?limit=1"}, "recipe"),
        ({"recipe": "nobody"}, "recipe"),
        ({"recipe": "tiny", "store": "/tmp"}, "store"),
        ({"recipe": "tiny", "overrides": ["training.epochs=3"]}, "overrides"),
        ("no object", "body"),
    ],
)
def test_start_run_names_the_faults_of_a_body(client: TestClient, body: Any, parameter: str) -> None:
    response = client.post("/runs", json=body)
    assert response.status_code == 422
    assert [fault["parameter"] for fault in response.json()["parameters"]] == [parameter]


def test_start_run_names_faulty_overrides(client: TestClient, deployed: Recipe) -> None:
    overrides = {"training.epochs": "three", "training.batch_size": 0}
    response = client.post("/runs", json={"recipe": deployed.name, "overrides": overrides})
    assert response.status_code == 422
    assert {fault["parameter"]: fault["value"] for fault in response.json()["parameters"]} == overrides
    response = client.post("/runs", json={"recipe": deployed.name, "overrides": {"source.paths": {"/etc": "all"}}})
    assert "cannot be changed by clients" in response.json()["error"]


def test_start_run_refuses_large_bodies_and_other_types(client: TestClient) -> None:
    kind = {"Content-Type": "application/json"}
    assert client.post("/runs", content=b"{", headers=kind).status_code == 422
    assert client.post("/runs", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert client.post("/runs", content=b" " * (LARGEST_BODY + 1), headers=kind).status_code == 413
    assert client.put("/runs", content=b"{}", headers=kind).status_code == 405


def test_show_run_hides_other_runs(client: TestClient, deployed: Recipe) -> None:
    with get_client(sync_client=True) as prefect:
        deployment = prefect.read_deployment_by_name(f"train/{deployed.name}")
        other = prefect.create_flow_run_from_deployment(deployment.id)
    for run_id in (other.id, uuid4(), "no-id"):
        assert client.get(f"/runs/{run_id}").status_code == 404


def test_api_reports_an_unresponsive_prefect(store: Path) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), TestClient(make_app(TOKEN, store)) as client:
        response = client.post("/runs", json={"recipe": "tiny"}, headers={"Authorization": f"Bearer {TOKEN}"})
        assert response.status_code == 503
        assert "PREFECT_API_URL" in response.json()["error"]


def test_serve_requires_a_prefect_server(store: Path) -> None:
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(AssayError, match="set PREFECT_API_URL"):
        serve("127.0.0.1", 8300, store, no_token=True)


@pytest.mark.slow  # a process of its own runs the flow, and imports torch, prefect and mlflow
def test_api_leads_from_the_request_to_the_verdict(client: TestClient, corpus: Path, store: Path) -> None:
    recipe = make_recipe(corpus, name="served", training={"precision": "fp32"})
    runner = Runner(name="served")
    parameters = {"recipe": recipe.model_dump(mode="json"), "store": str(store)}
    runner.add_flow(train, name=recipe.name, parameters=parameters)
    # when
    address = client.post("/runs", json={"recipe": recipe.name, "overrides": SETTINGS}).headers["location"]
    asyncio.run(runner.start(run_once=True))
    # then
    shown = client.get(address).json()
    assert shown["state"] == "COMPLETED", shown["message"]
    assert shown["verdict"]["outcome"] == shown["outcome"]
    assert shown["version"] == "models:/tiny/1"
    predictions = pq.read_table(io.BytesIO(client.get(shown["predictions"]).content))
    assert len(predictions) == shown["metrics"]["rows"] > 0
    right = sum(row["gold"] == row["predicted"] for row in predictions.to_pylist())
    assert right / len(predictions) == pytest.approx(shown["metrics"]["sentence.accuracy"])


def flow_run(run_id: str) -> Any:
    with get_client(sync_client=True) as prefect:
        return prefect.read_flow_run(UUID(run_id))
