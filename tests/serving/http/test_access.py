import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.http.paths import OPEN_PATHS
from assay.serving.http.server_settings import read_token
from tests.serving.http.conftest import Serve

TOKEN = "a secret of the tests"


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer \xe9"])
def test_bearer_token_refuses_requests_without_the_token(serve: Serve, toy: Bundle, header: str | None) -> None:
    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
    stranger = serve(toy, token=TOKEN)
    for method, path in [("POST", "/predict"), ("GET", "/model"), ("GET", "/metrics"), ("POST", "/invocations"),
                         ("POST", "/v2/models/toy/infer"), ("GET", "/nowhere")]:  # fmt: skip
        response = stranger.request(method, path, headers=headers, json={"text": "good"})
        challenge, reason = ("Bearer", "missing") if header is None else ('Bearer error="invalid_token"', "wrong")
        assert (response.status_code, response.headers["www-authenticate"]) == (401, challenge)
        assert f"the token is {reason}" in response.json()["error"]


def test_bearer_token_admits_the_token_and_open_paths(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, token=TOKEN)
    for scheme in ("Bearer", "bearer", "BEARER "):
        known = {"Authorization": f"{scheme} {TOKEN}"}
        assert client.post("/predict", json={"text": "good"}, headers=known).status_code == 200
    assert {client.get(path).status_code for path in OPEN_PATHS} == {200}


def test_bearer_token_leaves_all_health_routes_open(serve: Serve, toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/v1/endpoints/7")
    client = serve(toy, token=TOKEN)
    ready = ["/v1/endpoints/7", "/v2/models/toy/ready", "/v2/models/toy/versions/3/ready", "/v2/models/toy/ready/"]
    assert {client.get(path).status_code for path in ready} == {200}
    assert {client.post(path).status_code for path in ready} == {401}
    assert client.get("/v2/models/toy").status_code == 401


def test_guard_without_a_token_admits_local_host_names_only(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, allowed_hosts=("models.example.org",))
    assert client.get("/model").status_code == 200
    assert client.get("/model", headers={"Host": "localhost:8080"}).status_code == 200
    assert client.get("/model", headers={"Host": "models.example.org"}).status_code == 200
    assert client.get("/model", headers={"Host": "[::1]:8080"}).status_code == 200
    refused = client.get("/model", headers={"Host": "rebound.example.org"})
    assert (refused.status_code, "--allow-host" in refused.json()["error"]) == (400, True)


def test_guard_admits_any_host_name_behind_a_proxy(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, allowed_hosts=("*",))
    assert client.get("/model", headers={"Host": "any.example.org"}).status_code == 200


def test_guard_admits_any_host_name_on_a_public_address(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, host="0.0.0.0")  # noqa: S104  # nothing listens
    assert client.get("/model", headers={"Host": "models.example.org"}).status_code == 200


def test_read_token_reads_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVE_TOKEN", TOKEN)
    assert read_token("env:SERVE_TOKEN") == TOKEN
    assert read_token(None) is None


@pytest.mark.parametrize(
    ("place", "error"),
    [("secret", "is not env:NAME"), ("env:", "is not env:NAME"), ("env:SERVE_TOKEN", "SERVE_TOKEN holds 5 characters")],
)
def test_read_token_refuses_a_short_or_plain_token(monkeypatch: pytest.MonkeyPatch, place: str, error: str) -> None:
    monkeypatch.setenv("SERVE_TOKEN", "short")
    with pytest.raises(AssayError, match=error):
        read_token(place)


@pytest.mark.parametrize("odd", ["{}\n", " {}", "{}\t", "{}\x7f", "{}é", "{}\udcff"])
def test_read_token_refuses_a_token_that_no_client_can_send(monkeypatch: pytest.MonkeyPatch, odd: str) -> None:
    monkeypatch.setenv("SERVE_TOKEN", odd.format(TOKEN))
    with pytest.raises(AssayError, match="SERVE_TOKEN holds a character that no header can hold") as error:
        read_token("env:SERVE_TOKEN")
    assert TOKEN not in str(error.value)
