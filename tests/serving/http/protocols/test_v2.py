"""Against the text of the protocol: kserve/open-inference-protocol, specification/protocol/inference_rest.md."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from assay.serving.http.active_model import Origin
from assay.serving.http.protocols.v2 import InferResponse
from tests.serving.http.conftest import Serve

TEXT = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["good Apple", "bad"]}


def infer(client: TestClient, path: str = "/v2/models/toy/infer", **body: Any) -> Any:
    return client.post(path, json={"inputs": [TEXT], **body})


def test_health_and_metadata_have_the_fields_of_the_protocol(client: TestClient, toy: Bundle) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    server = client.get("/v2").json()
    assert (server["name"], server["extensions"]) == ("assay", [])
    assert server["version"]
    for path in ("/v2/models/toy", "/v2/models/toy/versions/3"):
        assert client.get(f"{path}/ready").json() == {"name": "toy", "ready": True}
        model = client.get(path).json()
        assert (model["name"], model["versions"], model["platform"]) == ("toy", ["3"], "onnxruntime_onnx")
        assert model["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
        assert {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]} in model["outputs"]
        assert model["parameters"] == {"labels": toy.manifest.labels, "digest": toy.digest}


@pytest.mark.parametrize("path", ["/v2/models/toy/infer", "/v2/models/toy/versions/3/infer"])
def test_an_answer_has_the_tensors_that_the_metadata_promise(client: TestClient, path: str) -> None:
    answer = infer(client, path, id="request 7")
    assert answer.status_code == 200
    content = answer.json()
    InferResponse.model_validate(content)
    assert (content["model_name"], content["model_version"], content["id"]) == ("toy", "3", "request 7")
    outputs = {tensor["name"]: tensor for tensor in content["outputs"]}
    assert outputs["label"] == {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["up", "down"]}
    assert outputs["truncated"]["data"] == [False, False]
    assert outputs["probabilities"]["shape"] == [2, 2]
    assert [sum(outputs["probabilities"]["data"][n : n + 2]) for n in (0, 2)] == pytest.approx([1, 1])
    entities = [json.loads(text) for text in outputs["entities"]["data"]]
    assert [[one["label"] for one in row] for row in entities] == [["ORG"], []]
    metadata = client.get("/v2/models/toy").json()["outputs"]
    assert [(one["name"], one["datatype"]) for one in metadata] == [
        (one["name"], one["datatype"]) for one in content["outputs"]
    ]


def test_without_an_id_none_comes_back_and_outputs_can_be_chosen(client: TestClient) -> None:
    content = infer(client, outputs=[{"name": "truncated"}, {"name": "label"}]).json()
    assert "id" not in content
    assert [tensor["name"] for tensor in content["outputs"]] == ["truncated", "label"]
    answer = infer(client, outputs=[{"name": "logits"}])
    assert answer.status_code == 422
    assert "no output 'logits'" in answer.json()["error"]


def test_data_may_be_nested_as_the_shape_says(client: TestClient) -> None:
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
def test_a_tensor_that_cannot_be_read_is_named(client: TestClient, change: dict[str, Any], error: str) -> None:
    answer = infer(client, inputs=[{**TEXT, **change}])
    assert answer.status_code == 422
    assert error in answer.json()["error"]


def test_the_same_tensor_twice_is_refused(client: TestClient) -> None:
    assert infer(client, inputs=[TEXT, TEXT]).status_code == 422
    assert infer(client, inputs=[]).status_code == 422


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/toy/versions/2", "/v2/models/toy/versions/2/ready"])
def test_other_models_and_versions_are_not_here(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "toy 3 is" in answer.json()["error"]
    assert infer(client, "/v2/models/other/infer").status_code == 404


def test_a_folder_has_the_beginning_of_its_digest_for_a_version(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, origin=Origin("toy"))
    assert infer(client).json()["model_version"] == toy.digest[:12]
    assert client.get(f"/v2/models/toy/versions/{toy.digest[:12]}").status_code == 200


def test_pairs_are_two_tensors(serve: Serve, build_toy: Callable[..., Bundle]) -> None:
    golden = [{"text": "good", "text_pair": "bad", "label": "down", "probabilities": [0.5249792, 0.4750208]}]
    client = serve(build_toy(pair=True, golden=golden))
    second = {**TEXT, "name": "text_pair"}
    assert infer(client, inputs=[TEXT, second]).status_code == 200
    assert infer(client, inputs=[second, TEXT]).status_code == 200
    assert "takes text and text_pair" in infer(client).json()["error"]
    short = {**second, "shape": [1], "data": ["good"]}
    assert "not the same number" in infer(client, inputs=[TEXT, short]).json()["error"]


def test_a_name_that_holds_the_end_of_a_line_ends_none_in_the_answer(client: TestClient) -> None:
    answer = infer(client, "/v2/models/to%0Ay/infer")
    assert (answer.status_code, answer.json()["error"]) == (404, "no model to y is here; toy 3 is")
