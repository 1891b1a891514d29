"""The application as a whole: what surrounds its routes, and what ends with it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.testclient import TestClient

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.http.active_model import ActiveModel
from assay.serving.http.app import make_app
from assay.serving.http.model_set import ModelSet
from tests.serving.http.conftest import LOCAL, Serve, make_parts


def test_make_app_runs_the_background_and_stops_the_batcher(toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def background() -> AsyncIterator[None]:
        events.append("begin")
        yield
        events.append("end")

    parts = make_parts(toy)
    batcher = parts[2]
    stop = batcher.stop

    def stopping() -> None:
        events.append("stop")
        stop()

    monkeypatch.setattr(batcher, "stop", stopping)
    with TestClient(make_app(*parts, background=background), base_url=LOCAL) as client:
        assert client.get("/v2/health/ready").json() == {"ready": True}
        assert events == ["begin"]
    assert events == ["begin", "end", "stop"]


def test_make_app_refuses_two_models_of_one_name(toy: Bundle) -> None:
    settings, active_model, batcher, metrics = make_parts(toy)
    with pytest.raises(AssayError, match="toy"):
        make_app(settings, active_model, batcher, metrics, others=[active_model])
    batcher.stop()


def test_a_failure_is_logged_and_hides_its_cause(
    serve: Serve, toy: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> ActiveModel:
        raise RuntimeError("the secret cause")

    client = serve(toy)
    monkeypatch.setattr(ModelSet, "find", broken)
    with caplog.at_level(logging.ERROR):
        response = client.post("/predict", json={"text": "good"})
    assert (response.status_code, response.json()) == (500, {"error": "the server failed; its log has the details"})
    assert "the secret cause" in caplog.text


def test_every_response_has_a_request_id_and_refuses_in_json(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, token="a secret of the tests")
    known = {"Authorization": "Bearer a secret of the tests"}
    for response, status, error in (
        (client.get("/nowhere%0a", headers=known), 404, "there is no path '/nowhere\\n'; /docs lists the paths"),
        (client.post("/predict", json={"text": "good"}), 401, "the token is missing; send the header"),
        (client.delete("/predict", headers=known), 405, "DELETE is not a method of '/predict'; send POST"),
        (client.put("/model", headers=known), 405, "PUT is not a method of '/model'; send GET or HEAD"),
    ):
        assert response.status_code == status
        assert response.json()["error"].startswith(error)
        assert response.headers["x-request-id"]
        assert set(response.json()) == {"error"}
