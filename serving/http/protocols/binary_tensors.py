"""The extension "binary tensor data" of the Open Inference Protocol.

A body is a JSON object, followed by the bytes of its binary tensors in their order; a header states the length of the
JSON object. An element of BYTES is its length (4 bytes, little-endian) and its bytes, FP32 is little-endian, BOOL one
byte. The clients of Triton and KServe send and request binary data by default.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pydantic_core import to_json
from starlette.responses import Response

from assay.serving.http import error_responses as errors
from assay.serving.http.protocols.tensors import InferRequest, InputTensor, check_datatype
from assay.serving.http.requests import parse, read_count

BINARY_HEADER = "inference-header-content-length"

_LENGTH = struct.Struct("<I")


def read_infer_request(body: bytes, json_length: str | None) -> InferRequest:
    """Return the request in a body, with the data of its binary tensors as lists of texts.

    Args:
        body: the JSON object, and the binary data after it.
        json_length: value of the header that states the length of the JSON object; None: there is no binary data.

    Raises:
        Refusal: 400 the body is not JSON, 422 the request does not match its schema or the sizes of its tensors.
    """
    if json_length is None:
        return parse(InferRequest, body, row_keys=())
    length = read_count(json_length)
    if length is None or length > len(body):
        raise errors.Refusal(
            422,
            f"Inference-Header-Content-Length is {json_length[:40]!r}; send the bytes of the JSON object",
            "invalid",
        )
    request = parse(InferRequest, body[:length], row_keys=())
    return request.model_copy(update={"inputs": _with_data(request.inputs, memoryview(body)[length:])})


def binary_response(head: dict[str, Any], tensors: Sequence[tuple[dict[str, Any], bool]]) -> Response:
    """Return a response whose tensors follow the JSON object as binary data, as far as that is requested.

    Args:
        head: fields of the response besides `outputs`.
        tensors: output tensors, each with whether it is sent as binary data.
    """
    outputs, blobs = [], []
    for tensor, binary in tensors:
        if binary:
            blobs.append(pack(tensor))
            fields = {name: value for name, value in tensor.items() if name != "data"}
            outputs.append({**fields, "parameters": {"binary_data_size": len(blobs[-1])}})
        else:
            outputs.append(tensor)
    content = to_json({**head, "outputs": outputs})
    headers = {"Inference-Header-Content-Length": str(len(content))}
    return Response(b"".join([content, *blobs]), headers=headers, media_type="application/octet-stream")


def _with_data(tensors: Sequence[InputTensor], data: memoryview) -> list[InputTensor]:
    complete: list[InputTensor] = []
    for tensor in tensors:
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            complete.append(tensor)
            continue
        if type(size) is not int or not 0 <= size <= len(data):
            raise errors.Refusal(
                422,
                f"input {tensor.name}: binary_data_size is {str(size)[:40]}, but {len(data)} bytes follow; "
                "send the size of the tensor",
                "invalid",
            )
        check_datatype(tensor.name, tensor.datatype)
        if tensor.data is not None:
            fault = f"input {tensor.name} has data, and binary_data_size, too; send one of them"
            raise errors.Refusal(422, fault, "invalid")
        complete.append(tensor.model_copy(update={"data": list(unpack(tensor.name, data[:size]))}))
        data = data[size:]
    if data:
        raise errors.Refusal(
            422, f"{len(data)} bytes follow the last tensor; state binary_data_size for each binary one", "invalid"
        )
    return complete


def unpack(name: str, data: memoryview) -> Iterator[str]:
    """Yield the texts of a binary tensor: each has its length in front of it, in 4 bytes.

    Raises:
        Refusal: 422, a text ends after the tensor, or is not UTF-8.
    """
    position, number = 0, 0
    while position < len(data):
        begin = position + _LENGTH.size
        size = _LENGTH.unpack_from(data, position)[0] if begin <= len(data) else len(data)
        position = begin + size
        if position > len(data):
            raise _invalid_element(name, number, "ends after the tensor; send 4 bytes of length before each text")
        try:
            yield bytes(data[begin:position]).decode()
        except UnicodeDecodeError:
            raise _invalid_element(name, number, "is not UTF-8; encode it so") from None
        number += 1


def _invalid_element(name: str, number: int, fault: str) -> errors.Refusal:
    return errors.Refusal(422, f"row {number}: {name} {fault}", "invalid", row=number)


def pack(tensor: dict[str, Any]) -> bytes:
    """Return the data of an output tensor as binary data."""
    data = tensor["data"]
    if tensor["datatype"] == "FP32":
        return np.asarray(data, dtype="<f4").tobytes()
    if tensor["datatype"] == "BOOL":
        return bytes(data)
    texts = [text.encode() for text in data]
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
