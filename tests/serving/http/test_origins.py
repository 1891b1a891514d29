import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from tests.serving.http.conftest import Serve

FOREIGN = "https://example.org"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Sec-Fetch-Site": "cross-site", "Origin": FOREIGN},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_foreign_page_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    response = client.post("/predict", json={"text": "good"}, headers=headers)
    assert response.status_code == 403
    assert "--cors-allow-origin" in response.json()["error"]
    assert client.get("/v2/health/ready", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "none"},
        # Behind a proxy that ends TLS and changes the host name.
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://models.example.org"},
    ],
)
def test_programs_and_the_own_page_are_admitted(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/predict", json={"text": "good"}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"Origin": "https://other.example"}, "not allowed to the page https://other.example: origin; see"),
        ({"Access-Control-Request-Method": "DELETE"}, f"not allowed to the page {FOREIGN}: method; see"),
        ({"Access-Control-Request-Headers": "x-other"}, f"not allowed to the page {FOREIGN}: headers; see"),
    ],
)
def test_preflight_is_refused_in_json(serve: Serve, toy: Bundle, asked: dict[str, str], fault: str) -> None:
    headers = {"Origin": FOREIGN, "Access-Control-Request-Method": "POST", **asked}
    response = serve(toy, cors_origins=(FOREIGN,)).options("/predict", headers=headers)
    assert (response.status_code, fault in response.json()["error"]) == (400, True)
    assert "access-control-allow-methods" in response.headers


@pytest.mark.parametrize("allowed", [FOREIGN, "*"])
def test_allowed_origin_may_send_and_read(serve: Serve, toy: Bundle, allowed: str) -> None:
    client = serve(toy, cors_origins=(allowed,), token="a secret of the tests")
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    assert client.options("/predict", headers={"Origin": FOREIGN, **asked}).status_code == 200
    sent = {"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site", "Authorization": "Bearer a secret of the tests"}
    response = client.post("/predict", json={"text": "good"}, headers=sent)
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, allowed)
    other = client.post("/predict", json={"text": "good"}, headers={**sent, "Origin": "https://other.example"})
    assert other.status_code == (200 if allowed == "*" else 403)
