"""A labels head in every protocol of the server, in the page's facts and in the prediction log."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
from assay.serving.http.prediction_log import _fields
from tests.bundles import build_bundle
from tests.serving.http.conftest import Serve

TEXTS = ["the bank and the storm", "nothing"]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return build_bundle(tmp_path, {}, {}, row_labels={"bank": "money", "match": "sport", "storm": "weather"})


@pytest.fixture
def client(serve: Serve, bundle: Bundle) -> TestClient:
    return serve(bundle)


@pytest.fixture
def expected(bundle: Bundle) -> list[Any]:
    return list(Engine(bundle, threads=1).predict([*map(Row, TEXTS)]))


def test_predict_returns_the_labels_of_each_row(client: TestClient, expected: list[Any]) -> None:
    first, second = client.post("/predict", json={"texts": TEXTS}).json()["predictions"]
    assert [one["label"] for one in first["labels"]] == ["money", "weather"]
    assert list(first["label_probabilities"].values()) == pytest.approx(expected[0].label_probabilities)
    assert second["labels"] == []
    assert "label" not in first


def test_predict_leaves_out_what_the_options_leave_out(client: TestClient) -> None:
    [row] = client.post("/predict?threshold=0.95&labels_only=true", json={"texts": TEXTS[:1]}).json()["predictions"]
    assert row == {"labels": [], "truncated": False}


def test_invocations_return_the_columns_of_the_pyfunc_model(client: TestClient, expected: list[Any]) -> None:
    first, _ = client.post("/invocations", json={"inputs": TEXTS}).json()["predictions"]
    assert first["labels"] == ["money", "weather"]
    assert first["label_probability.sport"] == pytest.approx(expected[0].label_probabilities[1])


def test_infer_returns_labels_as_tensors(client: TestClient, expected: list[Any]) -> None:
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": TEXTS}
    response = client.post("/v2/models/toy/infer", json={"inputs": [tensor]}).json()
    outputs = {output["name"]: output for output in response["outputs"]}
    assert list(outputs) == ["labels", "label_probabilities", "truncated"]
    assert [json.loads(row) for row in outputs["labels"]["data"]] == [["money", "weather"], []]
    assert outputs["label_probabilities"]["shape"] == [2, 3]
    values = [value for prediction in expected for value in prediction.label_probabilities]
    assert outputs["label_probabilities"]["data"] == pytest.approx(values)


def test_metadata_describes_the_tensors_of_labels(client: TestClient) -> None:
    metadata = client.get("/v2/models/toy").json()
    assert {"name": "label_probabilities", "datatype": "FP32", "shape": [-1, 3]} in metadata["outputs"]
    assert metadata["parameters"]["row_labels"] == ["money", "sport", "weather"]
    assert client.get("/model").json()["row_labels"] == ["money", "sport", "weather"]


def test_prediction_log_holds_labels_and_how_sure_the_model_is(bundle: Bundle, expected: list[Any]) -> None:
    fields = _fields(Row(TEXTS[0]), expected[0], Engine(bundle, threads=1))
    assert [one["label"] for one in fields["labels"]] == ["money", "weather"]
    assert fields["label_confidence"] == pytest.approx(expected[0].label_probabilities[0], abs=1e-4)
