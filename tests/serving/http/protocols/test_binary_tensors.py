"""Binary tensor data, as Triton's own client sends and requests it by default."""

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from tests.serving.http.conftest import Listen

triton = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
InferenceServerException = pytest.importorskip("tritonclient.utils").InferenceServerException
TEXTS = ["good Apple", "bad München"]


def pack(*texts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def post(client: TestClient, data: bytes, length: str | None = None, size: Any = None, **more: Any) -> Any:
    tensor: dict[str, Any] = {"name": "text", "shape": [2], "datatype": more.get("datatype", "BYTES")}
    if "values" in more:
        tensor["data"] = more["values"]
    tensor["parameters"] = {"binary_data_size": len(data) if size is None else size}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": length or str(len(head))}
    return client.post("/v2/models/toy/infer", content=head + data, headers=headers)


@pytest.fixture
def connection(toy: Bundle, listen: Listen) -> Iterator[Any]:
    """Yield Triton's client of a server with the toy model."""
    server = listen(toy)
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def text_input(binary: bool = True) -> Any:
    tensor = triton.InferInput("text", [2], "BYTES")
    tensor.set_data_from_numpy(np.array(TEXTS, dtype=object), binary_data=binary)
    return tensor


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_infer_predicts_for_the_client_of_triton(connection: Any, coding: str | None, binary: bool) -> None:
    result = connection.infer("toy", [text_input(binary)], request_compression_algorithm=coding,
                              response_compression_algorithm=coding)  # fmt: skip
    assert result.as_numpy("label").tolist() == [b"up", b"down"]
    assert result.as_numpy("probabilities").shape == (2, 2)
    assert result.as_numpy("probabilities").sum(axis=1).tolist() == pytest.approx([1, 1])
    entities = [json.loads(text) for text in result.as_numpy("entities")]
    assert [[entity["text"] for entity in row] for row in entities] == [["Apple"], ["München"]]
    assert result.as_numpy("truncated").tolist() == [False, False]


def test_infer_sends_each_output_as_the_client_requests_it(connection: Any) -> None:
    outputs = [triton.InferRequestedOutput("truncated"), triton.InferRequestedOutput("label", binary_data=False)]
    result = connection.infer("toy", [text_input()], outputs=outputs)
    names = [(tensor["name"], "data" in tensor) for tensor in result.get_response()["outputs"]]
    assert names == [("truncated", False), ("label", True)]
    assert result.as_numpy("label").tolist() == ["up", "down"]
    with pytest.raises(InferenceServerException, match="classification is not supported"):
        connection.infer("toy", [text_input()], outputs=[triton.InferRequestedOutput("label", class_count=1)])


def test_server_describes_itself_to_the_client_of_triton(connection: Any, toy: Bundle) -> None:
    assert connection.is_server_live()
    assert connection.is_model_ready("toy")
    assert connection.get_server_metadata()["extensions"] == ["binary_tensor_data", "model_repository"]
    assert connection.get_model_metadata("toy")["outputs"][0]["name"] == "label"
    assert connection.get_model_repository_index() == [{"name": "toy", "version": "3", "state": "READY", "reason": ""}]


def test_read_infer_request_reads_binary_pairs(
    build_toy: Callable[..., Bundle], serve: Callable[..., TestClient]
) -> None:
    golden = [{"text": "good", "text_pair": "bad", "label": "down", "probabilities": [0.5249792, 0.4750208]}]
    client = serve(build_toy(pair=True, golden=golden))
    first, second = pack(b"good"), pack(b"fine")
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
        for name, data in (("text_pair", second), ("text", first))
    ]
    head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": False}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = client.post("/v2/models/toy/infer", content=head + second + first, headers=headers)
    assert (response.status_code, response.json()["outputs"][0]["data"]) == (200, ["up"])


def test_read_infer_request_reads_lengths_with_zeros(client: TestClient) -> None:
    head = json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}]})
    headers = {"Inference-Header-Content-Length": str(len(head)).rjust(5000, "0")}
    response = client.post("/v2/models/toy/infer", content=head, headers=headers)
    assert response.json()["outputs"][0]["data"] == ["up"]


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        (pack(b"good", b"\xff"), {}, "row 1: text is not UTF-8; encode it so"),
        (pack(b"good") + b"\x05\0\0\0bad", {}, "row 1: text ends after the tensor; send 4 bytes of length"),
        (pack(b"good") + b"\x05", {}, "row 1: text ends after the tensor"),
        (pack(b"good"), {}, "shape is [2], but there are 1 elements"),
        (pack(b"good"), {"size": 9}, "input text: binary_data_size is 9, but 8 bytes follow"),
        (pack(b"good"), {"size": True}, "input text: binary_data_size is True, but 8 bytes follow"),
        (pack(b"good"), {"size": 0}, "8 bytes follow the last tensor; state binary_data_size"),
        (b"", {"length": "9999"}, "Inference-Header-Content-Length is '9999'"),
        (b"", {"length": "-1"}, "Inference-Header-Content-Length is '-1'"),
        (b"", {"length": "9" * 5000}, "Inference-Header-Content-Length is '999"),
        (b"", {"length": "+5"}, "Inference-Header-Content-Length is '+5'"),
        (b"\xff\xff\xff\xffgood", {}, "row 0: text ends after the tensor"),
        (b"\0\0", {"datatype": "FP16"}, "input text: datatype is 'FP16'; send BYTES"),
        (b"\0" * 8, {"datatype": "INT64"}, "input text: datatype is 'INT64'; send BYTES"),
        (pack(b"good", b"bad"), {"values": ["good", "bad"]}, "input text has data, and binary_data_size, too"),
    ],
)
def test_read_infer_request_names_the_fault(
    client: TestClient, data: bytes, options: dict[str, Any], error: str
) -> None:
    response = post(client, data, **options)
    assert response.status_code == 422
    assert error in response.json()["error"]
