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
def test_every_form_that_mlflow_takes_is_answered_alike(client: TestClient, body: Any) -> None:
    answer = client.post("/invocations", json=body)
    assert answer.status_code == 200
    InvocationResponse.model_validate(answer.json())
    assert answer.headers["x-model-version"] == "3"
    assert [row["label"] for row in answer.json()["predictions"]] == ["up", "down"]
    assert list(answer.json()["predictions"][0]) == [
        *("label", "probability.down", "probability.up", "entities", "truncated")
    ]
    assert answer.json()["predictions"][0]["entities"][0]["text"] == "Apple"


@pytest.mark.parametrize("inputs", ["good", {"text": "good"}])
def test_one_text_is_one_row(client: TestClient, inputs: Any) -> None:
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
        ({"inputs": {"text": ["a", "b"], "text_pair": ["c"]}}, "not the same number of rows", None),
        ({"inputs": {"text": ["a", " "]}}, "row 1: text is blank", 1),
    ],
)
def test_what_cannot_be_answered_is_named(client: TestClient, body: Any, error: str, row: int | None) -> None:
    answer = client.post("/invocations", json=body)
    assert answer.status_code == 422
    assert error in answer.json()["error"]
    assert answer.json().get("row") == row


def test_probes_of_mlflow_and_sagemaker_are_answered(client: TestClient) -> None:
    assert [client.get(path).status_code for path in ("/ping", "/health", "/version")] == [200, 200, 200]


def test_vertex_names_its_own_routes(serve: Serve, toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/endpoints/7:predict")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/v1/endpoints/7")
    client = serve(toy)
    answer = client.post("/v1/endpoints/7:predict", json={"instances": [{"text": "good"}]})
    assert answer.json()["predictions"][0]["label"] == "up"
    assert client.get("/v1/endpoints/7").status_code == 200
