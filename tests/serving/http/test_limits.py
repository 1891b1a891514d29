import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from assay.serving.row_texts import MAX_CHARACTERS
from tests.serving.conftest import BuildToy
from tests.serving.http.conftest import Serve
from tests.serving.http.protocols.test_native import GOLDEN

JSON = {"Content-Type": "application/json"}
PATHS = ["/predict", "/invocations", "/v2/models/toy/infer"]


def test_model_calls_refuse_too_many_rows(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, rows=3)
    assert client.post("/predict", json={"texts": ["good"] * 3}).status_code == 200
    response = client.post("/predict", json={"texts": ["good"] * 4})
    assert (response.status_code, response.json()["error"]) == (
        413, "4 rows are more than 3; send them in several requests"
    )  # fmt: skip


@pytest.mark.parametrize("pair", [False, True], ids=["windows", "pair"])
def test_check_rows_accepts_the_longest_text_and_refuses_a_longer_one(
    serve: Serve, build_toy: BuildToy, pair: bool
) -> None:
    client = serve(build_toy(pair=True, golden=GOLDEN) if pair else build_toy(long_texts="windows"))

    def post(text: str) -> Any:
        return client.post("/predict", json={"rows": [{"text": text, "text_pair": text}]} if pair else {"text": text})

    longest = "good " * (MAX_CHARACTERS // 5)
    assert post(longest).status_code == 200
    refused = post(longest + "x")
    assert (refused.status_code, f"more than {MAX_CHARACTERS}" in refused.text) == (422, True)


@pytest.mark.parametrize("sent", ["0", "-5", "1.5", "soon", "", "9" * 30, "60001"])
def test_read_deadline_refuses_an_invalid_deadline(client: TestClient, sent: str) -> None:
    response = client.post("/predict", json={"text": "good"}, headers={"X-Deadline-Ms": sent})
    assert response.status_code == 422
    assert "send 1 to 60000" in response.json()["error"]


def test_read_deadline_accepts_a_valid_deadline(client: TestClient) -> None:
    assert client.post("/predict", json={"text": "good"}, headers={"X-Deadline-Ms": "60000"}).status_code == 200


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Yield one server for all examples."""
    from assay.serving.http.app import make_app
    from tests.bundles import build_bundle
    from tests.serving.conftest import CLASSES, ENTITIES
    from tests.serving.http.conftest import LOCAL, make_parts

    parts = make_parts(build_bundle(tmp_path_factory.mktemp("bundle"), CLASSES, ENTITIES))
    with TestClient(make_app(*parts), base_url=LOCAL, raise_server_exceptions=False) as client:
        yield client


KEYS = st.sampled_from(
    ["text", "texts", "rows", "text_pair", "inputs", "instances", "dataframe_split", "dataframe_records", "columns",
     "data", "name", "shape", "datatype", "outputs", "id", "parameters"]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(), inner, max_size=3),
    max_leaves=8,
)
REQUESTS = st.dictionaries(KEYS, ANYTHING, max_size=4)


def check(response: Any) -> None:
    """Check that a response is a success, or names the fault of the request in JSON; the server never fails."""
    assert response.status_code in (200, 400, 413, 422)
    content = response.json()
    if response.status_code != 200:
        assert isinstance(content["error"], str)
        assert content["error"]
        assert "\n" not in content["error"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=REQUESTS | ANYTHING)
def test_server_survives_any_request(shared: TestClient, path: str, body: Any) -> None:
    check(shared.post(path, content=json.dumps(body).encode(), headers=JSON))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=60))
def test_server_survives_any_bytes(shared: TestClient, path: str, body: bytes) -> None:
    check(shared.post(path, content=body, headers=JSON))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_server_predicts_or_names_every_text(shared: TestClient, texts: list[str]) -> None:
    response = shared.post("/predict", content=json.dumps({"texts": texts}).encode(), headers=JSON)
    blank = next((number for number, text in enumerate(texts) if not text.strip()), None)
    surrogates = any("\ud800" <= letter <= "\udfff" for text in texts for letter in text)
    if surrogates:
        assert response.status_code == 400
    elif blank is not None:
        assert (response.status_code, response.json()["row"]) == (422, blank)
    else:
        assert response.status_code == 200
        for text, row in zip(texts, response.json()["predictions"], strict=True):
            assert all(text[entity["start"] : entity["end"]] == entity["text"] for entity in row["entities"])
