"""What a decision leaves to people, in each protocol, the log and the metrics."""

import json
from pathlib import Path

import pytest

from assay.serving.bundle import Bundle
from assay.serving.http.openapi import document
from assay.serving.http.prediction_log import PATTERN
from assay.serving.http.protocols.tensors import InferResponse
from assay.serving.http.server_settings import LogSettings
from tests.decisions import a_decision
from tests.serving.conftest import BuildToy
from tests.serving.http.conftest import Serve, metric
from tests.waiting import wait_until

TEXTS = ["good fine", "nothing but Apple"]


@pytest.fixture
def deciding(build_toy: BuildToy) -> Bundle:
    """Return a bundle that decides `good fine`, and leaves `nothing` to people."""
    return build_toy("deciding", decisions={"fp32": {"sentence": a_decision(0.8)}})


@pytest.fixture
def deciding_both(build_toy: BuildToy) -> Bundle:
    """Return a bundle that decides classes and entities."""
    return build_toy("both", decisions={"fp32": {"sentence": a_decision(0.1), "tokens": a_decision(1.0)}})


def test_predict_and_invocations_say_what_is_left_to_people(serve: Serve, deciding: Bundle) -> None:
    client = serve(deciding)
    rows = client.post("/predict", json={"texts": TEXTS}).json()["predictions"]
    assert [row["abstained"] for row in rows] == [False, True]
    assert all(row["label"] for row in rows)
    assert "label_abstained" not in rows[0]
    flat = client.post("/invocations", json={"instances": TEXTS}).json()["predictions"]
    assert [row["abstained"] for row in flat] == [False, True]
    assert metric(client, "assay_inference_abstained_total") == 2


def test_predict_says_whether_the_class_or_an_entity_is_left(serve: Serve, deciding_both: Bundle) -> None:
    rows = serve(deciding_both).post("/predict", json={"texts": TEXTS}).json()["predictions"]
    assert [(row["abstained"], row["label_abstained"]) for row in rows] == [(False, False), (True, False)]
    assert [entity["abstained"] for entity in rows[1]["entities"]] == [True]


@pytest.mark.parametrize(("threshold", "labels"), [(0, ["up", "down"]), (0.6, ["up", None]), (1, [None, None])])
def test_a_threshold_of_the_client_changes_nothing_that_is_left(
    serve: Serve, deciding_both: Bundle, threshold: float, labels: list[str | None]
) -> None:
    # Given a threshold below and above the confidence of what is decided and of what is left,
    client = serve(deciding_both)
    query, given = f"?threshold={threshold}", {"threshold": threshold}
    native = client.post(f"/predict{query}", json={"texts": TEXTS}).json()["predictions"]
    flat = client.post("/invocations", json={"instances": TEXTS, "params": given}).json()["predictions"]
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": TEXTS}
    outputs = client.post("/v2/models/toy/infer", json={"inputs": [tensor], "parameters": given}).json()["outputs"]
    tensors = {output["name"]: output["data"] for output in outputs}
    # then it leaves out classes and entities, and the decision about the row stays.
    for rows in (native, flat):
        assert [(row["label"], row["abstained"], row["label_abstained"]) for row in rows] == [
            (labels[0], False, False),
            (labels[1], True, False),
        ]
        assert len(rows[1]["entities"]) == (threshold < 1)
    assert (tensors["label"], tensors["abstained"]) == ([label or "" for label in labels], [False, True])
    assert tensors["label_abstained"] == [False, False]
    assert metric(client, "assay_inference_abstained_total") == 3


def test_predict_has_no_such_key_without_a_decision(serve: Serve, toy: Bundle) -> None:
    client = serve(toy)
    (row,) = client.post("/predict", json={"text": "nothing but Apple"}).json()["predictions"]
    assert "abstained" not in json.dumps(row)
    assert "abstained" not in json.dumps(client.get("/v2/models/toy").json())
    assert metric(client, "assay_inference_abstained_total") == 0


def test_infer_returns_abstained_as_a_tensor_of_the_metadata(serve: Serve, deciding: Bundle) -> None:
    client = serve(deciding)
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": TEXTS}
    content = client.post("/v2/models/toy/infer", json={"inputs": [tensor]}).json()
    InferResponse.model_validate(content)
    outputs = {output["name"]: output for output in content["outputs"]}
    assert outputs["abstained"] == {"name": "abstained", "shape": [2], "datatype": "BOOL", "data": [False, True]}
    metadata = client.get("/v2/models/toy").json()["outputs"]
    assert {"name": "abstained", "datatype": "BOOL", "shape": [-1]} in metadata
    only = {"inputs": [tensor], "outputs": [{"name": "abstained", "parameters": {"binary_data": True}}]}
    assert client.post("/v2/models/toy/infer", json=only).content.endswith(b"\x00\x01")


def test_model_shows_the_decision(serve: Serve, deciding: Bundle) -> None:
    assert serve(deciding).get("/model").json()["decisions"]["sentence"] == {
        "promise": "precision of what is decided at least 0.95 with 0.95 confidence",
        "threshold": 0.8,
        "by_class": {},
    }


def test_prediction_log_holds_what_is_left_to_people(serve: Serve, deciding_both: Bundle, tmp_path: Path) -> None:
    client = serve(deciding_both, log=LogSettings(tmp_path / "log"))
    client.post("/predict", json={"texts": TEXTS})

    def lines() -> list[str]:
        return [line for path in (tmp_path / "log").glob(PATTERN) for line in path.read_text().splitlines()]

    wait_until(lambda: len(lines()) == 2)
    sure, left = map(json.loads, lines())
    assert (sure["abstained"], left["abstained"], left["label_abstained"]) == (False, True, False)
    assert [entity["abstained"] for entity in left["entities"]] == [True]


def test_openapi_describes_abstained() -> None:
    schemas = document()["components"]["schemas"]
    assert "abstained" in schemas["RowResponse"]["properties"]
    assert "abstained" in schemas["EntityResponse"]["properties"]
    assert "windows" in schemas["RowResponse"]["properties"]
