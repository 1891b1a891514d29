from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from assay.serving.http.protocols.mlflow import InvocationResponse
from tests.serving.http.conftest import Serve

FRAME = pd.DataFrame({"text": ["good Apple", "bad"], "other": [1, 2]})


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": FRAME.to_dict(orient="split")},
        {"dataframe_records": FRAME.to_dict(orient="records")},
        {"instances": ["good Apple", "bad"]},
        {"instances": [{"text": "good Apple"}, "bad"], "parameters": {"any": 1}},
        {"inputs": ["good Apple", "bad"], "params": {}},
        {"inputs": {"text": ["good Apple", "bad"]}},
        {"inputs": [{"text": "good Apple"}, {"text": "bad"}]},
    ],
)
def test_invocations_predict_all_formats_of_mlflow_alike(client: TestClient, body: Any) -> None:
    response = client.post("/invocations", json=body)
    assert response.status_code == 200
    InvocationResponse.model_validate(response.json())
    assert response.headers["x-model-version"] == "3"
    assert [row["label"] for row in response.json()["predictions"]] == ["up", "down"]
    assert list(response.json()["predictions"][0]) == [
        *("label", "probability.down", "probability.up", "entities", "truncated")
    ]
    assert response.json()["predictions"][0]["entities"][0]["text"] == "Apple"


@pytest.mark.parametrize("inputs", ["good", {"text": "good"}])
def test_invocations_predict_a_single_text(client: TestClient, inputs: Any) -> None:
    assert len(client.post("/invocations", json={"inputs": inputs}).json()["predictions"]) == 1


@pytest.mark.parametrize(
    ("body", "error", "row"),
    [
        ({}, "exactly one of dataframe_split", None),
        ({"instances": ["a"], "inputs": ["a"]}, "exactly one of dataframe_split", None),
        ({"dataframe_split": {"columns": ["txt"], "data": [["a"]]}}, "no column text; there are txt", None),
        ({"dataframe_split": {"columns": ["text", "b"], "data": [["a", 1], ["b"]]}}, "row 1: it has 1 values", 1),
        ({"dataframe_split": {"columns": ["text"], "data": [["a"], [7]]}}, "row 1: text is 7, not a text", 1),
        ({"dataframe_records": [{"text": "a"}, {}]}, "row 1", 1),
        ({"instances": ["a", 3]}, "row 1", 1),
        ({"instances": []}, "no rows", None),
        ({"inputs": {"text": ["a", "b"], "text_pair": ["c"]}}, "differ in their number of rows", None),
        ({"inputs": {"text": ["a", " "]}}, "row 1: text is blank", 1),
    ],
)
def test_invocations_name_the_fault_of_a_request(client: TestClient, body: Any, error: str, row: int | None) -> None:
    response = client.post("/invocations", json=body)
    assert response.status_code == 422
    assert error in response.json()["error"]
    assert response.json().get("row") == row


def test_probes_of_mlflow_and_sagemaker_succeed(client: TestClient) -> None:
    assert [client.get(path).status_code for path in ("/ping", "/health", "/version")] == [200, 200, 200]


def test_routes_include_those_of_vertex(serve: Serve, toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/endpoints/7:predict")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/v1/endpoints/7")
    client = serve(toy)
    response = client.post("/v1/endpoints/7:predict", json={"instances": [{"text": "good"}]})
    assert response.json()["predictions"][0]["label"] == "up"
    assert client.get("/v1/endpoints/7").status_code == 200
