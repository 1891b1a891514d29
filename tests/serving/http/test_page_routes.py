import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from assay.serving.http.active_model import Origin, RefusedVersion
from assay.serving.http.app import make_app
from tests.serving.http.conftest import LOCAL, Serve, make_parts, metric


def test_model_route_describes_the_active_model(client: TestClient, toy: Bundle) -> None:
    model = client.get("/model").json()
    assert (model["name"], model["version"], model["alias"], model["digest"]) == ("toy", "3", "champion", toy.digest)
    assert model["labels"] == ["down", "up"]
    assert model["entity_types"] == ["LOC", "ORG", "PER"]
    assert (model["pair"], model["precision"], model["max_length"]) == (False, "fp32", 64)
    assert [example["text"] for example in model["examples"]] == ["good apple", "bad berlin"]
    assert (model["degraded"], model["refused"], model["metrics"]) == (False, None, {})


def test_model_route_has_no_version_or_alias_for_a_folder(serve: Serve, toy: Bundle) -> None:
    model = serve(toy, origin=Origin("toy")).get("/model").json()
    assert (model["version"], model["alias"]) == (None, None)


def test_model_route_shows_metrics_card_and_refused_version(toy: Bundle) -> None:
    settings, active_model, batcher, metrics = make_parts(toy)
    active_model.model.metrics = {"sentence.macro_f1": 0.91}
    active_model.model.card = "<h1>Toy</h1>"
    active_model.refused = RefusedVersion("4", "f" * 64, "it does not load", "2026-01-01T00:00:00Z")
    with TestClient(make_app(settings, active_model, batcher, metrics), base_url=LOCAL) as client:
        model = client.get("/model").json()
        assert model["metrics"] == {"sentence.macro_f1": 0.91}
        assert model["refused"]["version"] == "4"
        card = client.get("/card")
        assert card.text == "<h1>Toy</h1>"
        assert "sandbox" in card.headers["content-security-policy"]
        assert client.head("/card").status_code == 200


def test_card_route_is_404_without_a_card(client: TestClient) -> None:
    assert client.get("/card").status_code == 404
    assert client.head("/card").status_code == 404


def test_page_route_sets_its_own_policy(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "sha256-" in page.headers["content-security-policy"]
    assert "connect-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/model", "/predict", "/nowhere", "/v2", "/docs", "/metrics"])
def test_response_headers_include_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    icon = "img-src data:; " if path == "/docs" else ""
    assert headers["content-security-policy"] == f"default-src 'none'; {icon}frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_errors_of_routing_are_json(client: TestClient) -> None:
    assert client.get("/nowhere").json() == {"error": "there is no path '/nowhere'; /docs lists the paths"}
    response = client.get("/predict")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_metrics_route_counts_requests_rows_and_tokens(client: TestClient) -> None:
    client.post("/predict", json={"texts": ["good", "bad bad bad"]})
    client.post("/v2/models/toy/infer", json={"inputs": []})
    lines = client.get("/metrics").text
    assert 'assay_inference_request_success_total{protocol="predict"} 1.0' in lines
    assert 'assay_inference_request_failure_total{protocol="v2",reason="invalid"} 1.0' in lines
    assert 'assay_model_info{digest="' in lines
    assert metric(client, "assay_inference_count_total") == 2
    assert 1 <= metric(client, "assay_inference_exec_count_total") <= 2
    assert metric(client, "assay_inference_tokens_total") == 4
    assert metric(client, "assay_inference_queue_duration_seconds_count") == 2
    assert metric(client, "assay_inference_pending_request_count") == 0
    assert metric(client, "assay_queue_tokens") == 0
    assert metric(client, "assay_registry_degraded") == 0
