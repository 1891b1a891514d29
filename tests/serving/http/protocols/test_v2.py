"""Tests by the protocol: kserve/open-inference-protocol, specification/protocol/inference_rest.md."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from assay.serving.http.active_model import Origin
from assay.serving.http.protocols.tensors import InferResponse
from tests.serving.http.conftest import Serve, metric

TEXT = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["good Apple", "bad"]}


def infer(client: TestClient, path: str = "/v2/models/toy/infer", **body: Any) -> Any:
    return client.post(path, json={"inputs": [TEXT], **body})


def test_health_and_metadata_have_the_fields_of_the_protocol(client: TestClient, toy: Bundle) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    server = client.get("/v2").json()
    assert (server["name"], server["extensions"]) == ("assay", ["binary_tensor_data", "model_repository"])
    assert server["version"]
    for path in ("/v2/models/toy", "/v2/models/toy/versions/3"):
        assert client.get(f"{path}/ready").json() == {"name": "toy", "ready": True}
        model = client.get(path).json()
        assert (model["name"], model["versions"], model["platform"]) == ("toy", ["3"], "onnxruntime_onnx")
        assert model["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
        assert {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]} in model["outputs"]
        labels = {"labels": toy.manifest.labels, "row_labels": []}
        assert model["parameters"] == {**labels, "digest": toy.digest, "precision": "fp32"}


@pytest.mark.parametrize("path", ["/v2/models/toy/infer", "/v2/models/toy/versions/3/infer"])
def test_infer_returns_the_tensors_of_the_metadata(client: TestClient, path: str) -> None:
    response = infer(client, path, id="request 7")
    assert response.status_code == 200
    content = response.json()
    InferResponse.model_validate(content)
    assert (content["model_name"], content["model_version"], content["id"]) == ("toy", "3", "request 7")
    outputs = {tensor["name"]: tensor for tensor in content["outputs"]}
    assert outputs["label"] == {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["up", "down"]}
    assert outputs["truncated"]["data"] == [False, False]
    assert outputs["probabilities"]["shape"] == [2, 2]
    assert [sum(outputs["probabilities"]["data"][n : n + 2]) for n in (0, 2)] == pytest.approx([1, 1])
    entities = [json.loads(text) for text in outputs["entities"]["data"]]
    assert [[entity["label"] for entity in row] for row in entities] == [["ORG"], []]
    metadata = client.get("/v2/models/toy").json()["outputs"]
    assert [(tensor["name"], tensor["datatype"]) for tensor in metadata] == [
        (tensor["name"], tensor["datatype"]) for tensor in content["outputs"]
    ]


def test_infer_returns_the_requested_outputs_and_no_id_of_its_own(client: TestClient) -> None:
    content = infer(client, outputs=[{"name": "truncated"}, {"name": "label"}]).json()
    assert "id" not in content
    assert [tensor["name"] for tensor in content["outputs"]] == ["truncated", "label"]
    response = infer(client, outputs=[{"name": "logits"}])
    assert response.status_code == 422
    assert "no output 'logits'" in response.json()["error"]


def test_infer_accepts_nested_data(client: TestClient) -> None:
    flat = infer(client).json()["outputs"]
    nested = {**TEXT, "shape": [2, 1], "data": [["good Apple"], ["bad"]]}
    assert infer(client, inputs=[nested]).json()["outputs"] == flat
    assert infer(client, inputs=[{**TEXT, "shape": [2, 1]}]).json()["outputs"] == flat


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"shape": [3]}, "shape is [3], but there are 2 elements; send shape [2]"),
        ({"shape": [1, 2]}, "shape is [1, 2]"),
        ({"shape": [-2]}, "shape is [-2]"),
        ({"shape": []}, "shape is []"),
        ({"datatype": "FP32"}, "datatype is 'FP32'; send BYTES"),
        ({"data": ["good", 3]}, "row 1: text is not a text"),
        ({"data": ["good", [["deep"]]]}, "row 1: text is not a text"),
        ({"data": ["good", ""]}, "row 1: text is blank"),
        ({"name": "txt"}, "inputs are txt; this model takes text"),
        ({"data": "good"}, "inputs.0.data"),
    ],
)
def test_infer_names_an_invalid_tensor(client: TestClient, change: dict[str, Any], error: str) -> None:
    response = infer(client, inputs=[{**TEXT, **change}])
    assert response.status_code == 422
    assert error in response.json()["error"]


def test_infer_refuses_duplicate_and_missing_tensors(client: TestClient) -> None:
    assert infer(client, inputs=[TEXT, TEXT]).status_code == 422
    assert infer(client, inputs=[]).status_code == 422


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/toy/versions/2", "/v2/models/toy/versions/2/ready"])
def test_models_route_refuses_other_models_and_versions(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "request toy version 3" in response.json()["error"]
    assert infer(client, "/v2/models/other/infer").status_code == 404


def test_infer_returns_the_beginning_of_the_digest_as_version_of_a_folder(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, origin=Origin("toy"))
    assert infer(client).json()["model_version"] == toy.digest[:12]
    assert client.get(f"/v2/models/toy/versions/{toy.digest[:12]}").status_code == 200


def test_infer_reads_pairs_from_two_tensors(serve: Serve, build_toy: Callable[..., Bundle]) -> None:
    golden = [{"text": "good", "text_pair": "bad", "label": "down", "probabilities": [0.5249792, 0.4750208]}]
    client = serve(build_toy(pair=True, golden=golden))
    second = {**TEXT, "name": "text_pair"}
    assert infer(client, inputs=[TEXT, second]).status_code == 200
    assert infer(client, inputs=[second, TEXT]).status_code == 200
    assert "takes text and text_pair" in infer(client).json()["error"]
    short = {**second, "shape": [1], "data": ["good"]}
    assert "differ in their number" in infer(client, inputs=[TEXT, short]).json()["error"]


def test_infer_removes_line_breaks_of_names_from_errors(client: TestClient) -> None:
    response = infer(client, "/v2/models/to%0Ay/infer")
    assert (response.status_code, response.json()["error"]) == (404, "there is no model to y; request toy version 3")


@pytest.mark.parametrize("place", ["tensor", "request"])
def test_infer_decodes_texts_in_base64_as_mlserver_sends_them(client: TestClient, place: str) -> None:
    tensor = {**TEXT, "data": [base64.b64encode(text.encode()).decode() for text in ("good München", "bad")]}
    parameters: dict[str, Any] = {"parameters": {"content_type": "base64"}}
    response = infer(client, inputs=[tensor | parameters]) if place == "tensor" else infer(
        client, inputs=[tensor], **parameters
    )  # fmt: skip
    outputs = {tensor["name"]: tensor["data"] for tensor in response.json()["outputs"]}
    assert outputs["label"] == ["up", "down"]
    assert json.loads(outputs["entities"][0])[0]["text"] == "München"


@pytest.mark.parametrize(
    ("content_type", "data", "error", "row"),
    [
        ("base64", ["Z29vZA==", "!"], "row 1: text is not a text in base64", 1),
        ("datetime", ["good", "bad"], "input text: content_type is 'datetime'; send str or base64", None),
    ],
)
def test_infer_refuses_other_content_types(
    client: TestClient, content_type: str, data: list[str], error: str, row: int | None
) -> None:
    response = infer(client, inputs=[{**TEXT, "data": data, "parameters": {"content_type": content_type}}])
    assert (response.status_code, response.json().get("row")) == (422, row)
    assert error in response.json()["error"]


def test_infer_refuses_unknown_outputs_before_any_work(client: TestClient) -> None:
    before = metric(client, "assay_inference_exec_count_total")
    assert infer(client, outputs=[{"name": "logits"}]).status_code == 422
    assert metric(client, "assay_inference_exec_count_total") == before


def test_infer_counts_no_tensor_as_a_row(client: TestClient) -> None:
    response = infer(client, inputs=[TEXT, {**TEXT, "shape": ["two"]}])
    assert response.status_code == 422
    assert response.json() == {"error": "inputs.1.shape.0: Input should be a valid integer, unable to parse string "
                               "as an integer"}  # fmt: skip


def test_infer_reads_options_of_its_parameters(client: TestClient) -> None:
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["good", "bad"]}

    def outputs(**options: Any) -> dict[str, Any]:
        body = {"inputs": [tensor], "parameters": options}
        response = client.post("/v2/models/toy/infer", json=body)
        assert response.status_code == 200, response.text
        return {output["name"]: output for output in response.json()["outputs"]}

    top = outputs(top_k=1)
    assert (top["classes"]["shape"], top["classes"]["data"]) == ([2, 1], ["up", "down"])
    assert top["probabilities"]["shape"] == [2, 1]
    assert min(top["probabilities"]["data"]) > 0.5
    assert "probabilities" not in outputs(labels_only=True)
    assert outputs(threshold=1)["label"]["data"] == ["", ""]
    refused = client.post("/v2/models/toy/infer", json={"inputs": [tensor], "parameters": {"top_k": -1}})
    assert (refused.status_code, "top_k is -1" in refused.json()["error"]) == (422, True)
