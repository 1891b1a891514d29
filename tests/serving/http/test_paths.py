import pytest
from starlette.testclient import TestClient


@pytest.mark.parametrize("path", ["/predict/", "/invocations/", "/v2/models/toy/infer/"])
def test_trailing_slash_is_ignored_without_a_redirect(client: TestClient, path: str) -> None:
    bodies = {
        "/predict/": {"text": "good"},
        "/invocations/": {"instances": ["good"]},
        "/v2/models/toy/infer/": {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}]},
    }
    assert client.post(path, json=bodies[path], follow_redirects=False).status_code == 200


@pytest.mark.parametrize("path", ["/v2/", "/v2/health/ready/", "/v2/models/toy/", "/ping//"])
def test_trailing_slash_is_ignored_for_reading(client: TestClient, path: str) -> None:
    assert client.get(path, follow_redirects=False).status_code == 200
