"""The check of an ONNX file before onnxruntime opens it: no weights in other files, no operators of foreign domains.

The check is needed, since onnxruntime refuses only a part of this. Measured on bundles with changed graphs:

- Weights in a file of the bundle folder: onnxruntime 1.23 and 1.31 read the file after its digest was verified, and
  served values that were swapped in between.
- Weights above the folder, at an absolute path, or behind a link: 1.23 read and served them, 1.31 refuses them.
- An unused tensor in another file, an import of a foreign domain, and a function of the model itself in one: 1.23 and
  1.31 accept them. They do no harm, but an exported graph has none of them.
- Unregistered operators of a foreign domain, and files that are no ONNX: 1.23 and 1.31 refuse them.

The format is protobuf. Only the few fields that matter are read, with the numbers of onnx.proto3 of the ONNX project,
since the package `onnx` is not part of the serving install.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from assay.corpus.errors import AssayError

# The standard domains, the one for classical machine learning, and those of onnxruntime's fused operators.
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
_MAX_DEPTH = 32

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# message -> field -> the nested message, or the check of the field
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 9: "opset", 10: "domain"},
    "node": {5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "opset": {1: "domain"},
    "tensor": {13: "external_data", 14: "data_location"},
}


def check_graph(model: bytes, path: Path) -> None:
    """Refuse a graph with weights in another file or operators of a foreign domain.

    Args:
        model: the bytes of the ONNX file.
        path: path of the file, for messages.

    Raises:
        AssayError: the bytes are no ONNX file, or the graph needs another file or a foreign domain.
    """
    try:
        for fault in _faults(memoryview(model), "model", 0):
            raise AssayError(f"{path} {fault}; export the model again with assay")
    except (ValueError, IndexError, UnicodeDecodeError):
        raise AssayError(f"{path} is damaged or not an ONNX file; fetch the bundle again") from None


def _faults(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    fields = _FIELDS[kind]
    for field, value in _fields(message):
        role = fields.get(field)
        if role is None:
            continue
        if role == "external_data" or (role == "data_location" and value == 1):
            yield "keeps weights in another file (external data)"
        elif role == "domain" and isinstance(value, memoryview):
            if (domain := bytes(value).decode()) not in DOMAINS:
                yield f"uses operators of the domain {domain[:60]!r}"
        elif role in _FIELDS and isinstance(value, memoryview):
            yield from _faults(value, role, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field of a message, without a copy of the weights.

    Raises:
        ValueError, IndexError: the bytes are no protobuf message.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        field, wire = tag >> 3, tag & 7
        if field == 0:
            raise ValueError("no such field")
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield field, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError("no such wire type")
        if at + size > end:
            raise ValueError("cut off")
        if wire == _BYTES:
            yield field, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number without end")
