import gzip
import json
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


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/csv", b"text,other\ngood Apple,1\nbad,2\n"),
        ("text/csv; charset=utf-8", BOM + b'other,text\r\n"a ""b""\n",good Apple\r\n\r\n2,bad'),
        ("application/jsonlines", b'{"text": "good Apple", "other": 1}\n\n"bad"\n'),
        ("application/x-ndjson", b'"good Apple"\r\n{"text": "bad"}'),
        ("application/jsonl", b'"good Apple"\n"bad"'),
        (None, b'{"instances": {"text": ["good Apple", "bad"]}}'),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_invocations_predict_all_content_types_alike(
    client: TestClient, kind: str | None, body: bytes, packed: bool
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    response = client.post(
        "/invocations",
        content=gzip.compress(body) if packed else body,
        headers=headers | ({"Content-Encoding": "gzip"} if packed else {}),
    )
    assert response.status_code == 200, response.text
    assert [row["label"] for row in response.json()["predictions"]] == ["up", "down"]


def test_invocations_respond_with_json_lines_where_they_are_accepted(client: TestClient) -> None:
    lines = {"Content-Type": "application/jsonlines", "Accept": "application/jsonlines"}
    response = client.post("/invocations", content=b'"good"\n"bad"', headers=lines)
    assert response.headers["content-type"] == "application/jsonlines"
    assert [json.loads(line)["label"] for line in response.text.splitlines()] == ["up", "down"]


def test_invocations_list_the_content_types_that_they_read(client: TestClient) -> None:
    response = client.post("/invocations", content=b"PAR1", headers={"Content-Type": "application/x-parquet"})
    assert response.status_code == 415
    assert "send application/json, text/csv, application/jsonlines" in response.json()["error"]


@pytest.mark.parametrize(
    ("kind", "body", "status", "error"),
    [
        ("text/csv", b"", 422, "no column text; there are none"),
        ("text/csv", b"txt\ngood", 422, "no column text; there are txt"),
        ("text/csv", b"text,b\ngood,1\nbad", 422, "row 1: it has 1 values for 2 columns"),
        ("text/csv", b"text,b\ngood,1\n,2", 422, "row 1: text is blank"),
        ("text/csv", b"text\n\xff", 400, "not UTF-8"),
        ("text/csv", b'text\n"go"od"', 400, "not CSV"),
        ("text/csv", b"text\n", 422, "no rows"),
        ("application/jsonlines", b'"good"\n{"txt": 1}', 422, "row 1: the line is neither"),
        ("application/jsonlines", b'"good"\n{"text":', 400, "row 1: the line is not JSON"),
        ("application/jsonlines", b"", 422, "no rows"),
    ],
)
def test_invocations_name_the_fault_of_a_table(
    client: TestClient, kind: str, body: bytes, status: int, error: str
) -> None:
    response = client.post("/invocations", content=body, headers={"Content-Type": kind})
    assert (response.status_code, error in response.json()["error"]) == (status, True), response.text


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


@pytest.mark.parametrize(
    ("query", "given"), [("?top_k=1", {}), ("", {"params": {"top_k": 1}}), ("", {"parameters": {"top_k": 1}})]
)
def test_invocations_read_options_of_query_and_body(client: TestClient, query: str, given: dict[str, Any]) -> None:
    [row] = client.post(f"/invocations{query}", json={"instances": ["good"], **given}).json()["predictions"]
    assert [name for name in row if name.startswith("probability.")] == ["probability.up"]
