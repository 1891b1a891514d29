from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
from assay.serving.http.protocols.native import PredictResponse
from assay.serving.row_texts import MAX_CHARACTERS
from tests.serving.http.conftest import Serve, metric, rewrite


@pytest.mark.parametrize(
    "body",
    [{"text": "good Apple"}, {"texts": ["good Apple"]}, {"rows": [{"text": "good Apple"}]}],
)
def test_predict_treats_text_texts_and_rows_alike(client: TestClient, toy: Bundle, body: Any) -> None:
    response = client.post("/predict", json=body)
    assert response.status_code == 200
    content = response.json()
    PredictResponse.model_validate(content)
    assert content["model"] == {"name": "toy", "version": "3", "digest": toy.digest}
    (row,) = content["predictions"]
    assert row["label"] == "up"
    assert set(row["probabilities"]) == {"up", "down"}
    (entity,) = row["entities"]
    assert entity.pop("score") > 0.8
    assert entity == {"start": 5, "end": 10, "label": "ORG", "text": "Apple"}
    assert row["truncated"] is False
    assert content["milliseconds"] > 0


def test_predict_returns_many_rows_in_order(client: TestClient, toy: Bundle) -> None:
    texts = [("good " if n % 3 else "bad ") * (1 + n * 7 % 90) + "Müller" * (n % 2) for n in range(300)]
    predictions = client.post("/predict", json={"texts": texts}).json()["predictions"]
    expected = Engine(toy, threads=1).predict([Row(text) for text in texts])
    assert [row["label"] for row in predictions] == [prediction.label for prediction in expected]
    assert [row["truncated"] for row in predictions] == [prediction.truncated for prediction in expected]
    assert any(prediction.truncated for prediction in expected)
    assert metric(client, "assay_inference_truncated_total") == sum(prediction.truncated for prediction in expected)
    assert metric(client, "assay_inference_count_total") == 300


def test_predict_counts_offsets_in_characters_of_the_text_as_sent(client: TestClient) -> None:
    text = "🎉 good\u00a0Mu\u0308ller 👩‍🔬 Apple"
    (row,) = client.post("/predict", json={"text": text}).json()["predictions"]
    entities = row["entities"]
    assert [text[entity["start"] : entity["end"]] for entity in entities] == [entity["text"] for entity in entities]
    assert "Apple" in [entity["text"] for entity in entities]


@pytest.mark.parametrize(
    ("body", "status", "error", "row"),
    [
        ({}, 422, "send exactly one of text, texts and rows", None),
        ({"text": "a", "texts": ["b"]}, 422, "send exactly one", None),
        ({"txt": "a"}, 422, "txt", None),
        ({"texts": []}, 422, "no rows", None),
        ({"texts": ["good", " \n"]}, 422, "row 1: text is blank", 1),
        ({"texts": ["good", None]}, 422, "row 1: texts.1", 1),
        ({"rows": [{"text": "good"}, {"txt": "bad"}]}, 422, "row 1: rows.1.text", 1),
        ({"texts": ["good", "x" * (MAX_CHARACTERS + 1)]}, 422, "row 1: text has 100001 characters", 1),
        ({"rows": [{"text": "good", "text_pair": "bad"}]}, 422, "row 0: text_pair is 'bad', but", 0),
        ([], 422, "", None),
    ],
)
def test_predict_names_the_fault_of_a_request(
    client: TestClient, body: Any, status: int, error: str, row: int | None
) -> None:
    response = client.post("/predict", json=body)
    assert response.status_code == status
    assert error in response.json()["error"]
    assert response.json().get("row") == row
    assert metric(client, "assay_inference_request_failure_total") == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"text": "\\ud800"}', b"[" * 100_000])
def test_predict_refuses_invalid_json(client: TestClient, body: bytes) -> None:
    response = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert "JSON" in response.json()["error"] or "nested" in response.json()["error"]


def test_predict_requires_both_texts_of_a_pair(serve: Serve, build_toy: Callable[..., Bundle]) -> None:
    client = serve(build_toy(pair=True, golden=GOLDEN))
    response = client.post("/predict", json={"rows": [{"text": "good", "text_pair": "Apple"}]})
    assert response.status_code == 200
    response = client.post("/predict", json={"text": "good"})
    assert (response.status_code, response.json()["error"]) == (422, "row 0: text_pair is missing; add it")


GOLDEN = [{"text": "good", "text_pair": "bad", "label": "down", "probabilities": [0.5249792, 0.4750208]}]


def test_predict_reports_a_prediction_that_is_not_finite(serve: Serve, toy: Bundle) -> None:
    graph = onnx.load(toy.model_path)
    votes = next(tensor for tensor in graph.graph.initializer if tensor.name == "votes")
    table = onnx.numpy_helper.to_array(votes).copy()
    table[Engine(toy, threads=1).encode([Row("fine")])[0].ids[0]] = np.nan
    votes.CopyFrom(onnx.numpy_helper.from_array(table, "votes"))
    client = serve(rewrite(toy, graph))
    response = client.post("/predict", json={"texts": ["good", "bad bad", "fine"]})
    assert response.status_code == 500
    assert response.json() == {
        "error": "row 2: the model's prediction is not a finite number; the log of the server has the details",
        "row": 2,
    }
    assert 'reason="not_finite"} 1.0' in client.get("/metrics").text
    assert client.post("/predict", json={"text": "good"}).status_code == 200


def test_options_in_the_query_leave_out_parts(client: TestClient) -> None:
    def row(query: str) -> Any:
        response = client.post(f"/predict?{query}", json={"text": "good Apple"})
        PredictResponse.model_validate(response.json())
        return response.json()["predictions"][0]

    assert list(row("top_k=1")["probabilities"]) == ["up"]
    assert "probabilities" not in row("labels_only=true")
    assert (row("threshold=1")["label"], row("threshold=1")["entities"]) == (None, [])
    refused = client.post("/predict?threshold=2", json={"text": "good"})
    assert (refused.status_code, refused.json()["error"]) == (422, "threshold is '2'; send a probability from 0 to 1")
