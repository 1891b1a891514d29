"""What an ONNX file asks for, read from its bytes before anything opens it: no data elsewhere, no foreign operators.

onnxruntime would refuse most of it, too, but only while it makes a session of it. The format is protobuf (onnx.proto3
of the ONNX project), of which only the few fields that matter are read; numbers are those of that file. The package
`onnx` is no part of what serves.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from assay.corpus.errors import AssayError

# The standard, its machine learning part, and what onnxruntime brings along for its own fused operators.
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
_DEEPEST = 32

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# message -> field -> the message in it, or what is to be checked of it
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 9: "opset", 10: "domain"},
    "node": {5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "opset": {1: "domain"},
    "tensor": {13: "elsewhere", 14: "place"},
}


def check_graph(model: bytes, path: Path) -> None:
    """Refuse a graph whose weights lie in another file, or whose operators are none of the known ones.

    Args:
        model: the ONNX file.
        path: where it came from, for messages.

    Raises:
        AssayError: it is no ONNX file, or asks for what this package does not give.
    """
    try:
        for fault in _faults(memoryview(model), "model", 0):
            raise AssayError(f"{path} {fault}; export the model again with assay")
    except (ValueError, IndexError, UnicodeDecodeError):
        raise AssayError(f"{path} is no ONNX file, or a damaged one; fetch the bundle again") from None


def _faults(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    known = _FIELDS[kind]
    for field, value in _read(message):
        what = known.get(field)
        if what is None:
            continue
        if what == "elsewhere" or (what == "place" and value == 1):
            yield "keeps weights in another file (external data)"
        elif what == "domain" and isinstance(value, memoryview):
            if (domain := bytes(value).decode()) not in DOMAINS:
                yield f"uses operators of the domain {domain[:60]!r}"
        elif what in _FIELDS and isinstance(value, memoryview):
            yield from _faults(value, what, depth + 1)


def _read(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message: their numbers and values. Nothing is copied, however large the weights are.

    Raises:
        ValueError, IndexError: it is no such message.
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
