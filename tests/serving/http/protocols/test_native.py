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
def test_all_forms_are_answered_alike(client: TestClient, toy: Bundle, body: Any) -> None:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200
    content = answer.json()
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


def test_many_rows_are_answered_in_their_order(client: TestClient, toy: Bundle) -> None:
    texts = [("good " if n % 3 else "bad ") * (1 + n * 7 % 90) + "Müller" * (n % 2) for n in range(300)]
    answers = client.post("/predict", json={"texts": texts}).json()["predictions"]
    expected = Engine(toy, threads=1).predict([Row(text) for text in texts])
    assert [answer["label"] for answer in answers] == [one.label for one in expected]
    assert [answer["truncated"] for answer in answers] == [one.truncated for one in expected]
    assert any(one.truncated for one in expected)
    assert metric(client, "assay_inference_truncated_total") == sum(one.truncated for one in expected)
    assert metric(client, "assay_inference_count_total") == 300


def test_offsets_count_characters_of_the_text_as_sent(client: TestClient) -> None:
    text = "🎉 good\u00a0Mu\u0308ller 👩‍🔬 Apple"
    (row,) = client.post("/predict", json={"text": text}).json()["predictions"]
    assert [text[one["start"] : one["end"]] for one in row["entities"]] == [one["text"] for one in row["entities"]]
    assert "Apple" in [one["text"] for one in row["entities"]]


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
        ({"rows": [{"text": "good", "text_pair": "bad"}]}, 422, "row 0: text_pair is given, but", 0),
        ([], 422, "", None),
    ],
)
def test_what_cannot_be_answered_is_named(
    client: TestClient, body: Any, status: int, error: str, row: int | None
) -> None:
    answer = client.post("/predict", json=body)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert answer.json().get("row") == row
    assert metric(client, "assay_inference_request_failure_total") == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"text": "\\ud800"}', b"[" * 100_000])
def test_what_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"] or "nested" in answer.json()["error"]


def test_a_model_of_pairs_wants_both_texts(serve: Serve, build_toy: Callable[..., Bundle]) -> None:
    client = serve(build_toy(pair=True, golden=GOLDEN))
    answer = client.post("/predict", json={"rows": [{"text": "good", "text_pair": "Apple"}]})
    assert answer.status_code == 200
    answer = client.post("/predict", json={"text": "good"})
    assert (answer.status_code, answer.json()["error"]) == (422, "row 0: text_pair is missing; add it")


GOLDEN = [{"text": "good", "text_pair": "bad", "label": "down", "probabilities": [0.5249792, 0.4750208]}]


def test_an_answer_that_is_no_number_is_the_servers_fault(serve: Serve, toy: Bundle) -> None:
    graph = onnx.load(toy.model_path)
    votes = next(one for one in graph.graph.initializer if one.name == "votes")
    table = onnx.numpy_helper.to_array(votes).copy()
    table[Engine(toy, threads=1).encode([Row("fine")])[0].ids[0]] = np.nan
    votes.CopyFrom(onnx.numpy_helper.from_array(table, "votes"))
    client = serve(rewrite(toy, graph))
    answer = client.post("/predict", json={"texts": ["good", "bad bad", "fine"]})
    assert answer.status_code == 500
    assert answer.json() == {
        "error": "row 2: the model's answer is not a finite number; the operator finds more in the log",
        "row": 2,
    }
    assert 'reason="not_finite"} 1.0' in client.get("/metrics").text
    assert client.post("/predict", json={"text": "good"}).status_code == 200
