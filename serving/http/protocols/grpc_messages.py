"""Messages of the Open Inference Protocol over gRPC, as Triton's client defines them, from and to our own."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command
from assay.serving.http import error_responses as errors
from assay.serving.http.active_model import ServedModel
from assay.serving.http.protocols.binary_tensors import pack, unpack
from assay.serving.http.protocols.tensors import InferRequest, InputTensor, RequestedOutput, check_datatype
from assay.serving.http.requests import refusal_of

# Names of the repeated fields in the contents of a tensor.
_CONTENTS = {"BYTES": "bytes_contents", "FP32": "fp32_contents", "BOOL": "bool_contents"}


def load_messages() -> Any:
    """Return the module of the messages.

    Raises:
        AssayError: the packages of the extra are not installed.
    """
    try:
        from tritonclient.grpc import service_pb2
    except ImportError as error:
        raise AssayError(f"--grpc-port needs gRPC, which is not installed; run {install_command('grpc')}") from error
    return service_pb2


def read_message(message: Any) -> InferRequest:
    """Return the request in a `ModelInferRequest`, whose tensors are typed or raw.

    Raises:
        Refusal: 422, a tensor is no list of texts, there are more or fewer raw tensors than inputs, or one is both.
    """
    raw = list(message.raw_input_contents)
    if raw and len(raw) != len(message.inputs):
        fault = f"{len(raw)} raw_input_contents for {len(message.inputs)} inputs; send one per input, or none"
        raise errors.Refusal(422, fault, "invalid")
    contents = raw or [None] * len(message.inputs)
    outputs = [RequestedOutput(name=each.name, parameters=_parameters(each.parameters)) for each in message.outputs]
    try:
        return InferRequest(
            id=message.id or None,
            inputs=[_input(tensor, data) for tensor, data in zip(message.inputs, contents, strict=True)],
            outputs=outputs or None,
            parameters=_parameters(message.parameters),
        )
    except ValidationError as error:
        raise refusal_of(error, row_keys=()) from None


def _input(tensor: Any, raw: bytes | None) -> InputTensor:
    if raw is not None:
        check_datatype(tensor.name, tensor.datatype)
        if tensor.contents.ByteSize():
            raise errors.Refusal(
                422, f"input {tensor.name} has contents, and raw ones, too; send one of them", "invalid"
            )
        data = list(unpack(tensor.name, memoryview(raw)))
    else:
        data = [_text(tensor.name, number, text) for number, text in enumerate(tensor.contents.bytes_contents)]
    return InputTensor(
        name=tensor.name,
        shape=list(tensor.shape),
        datatype=tensor.datatype,
        data=data,
        parameters=_parameters(tensor.parameters),
    )


def _text(name: str, number: int, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        fault = f"row {number}: {name} is not UTF-8; encode it so"
        raise errors.Refusal(422, fault, "invalid", row=number) from None


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {name: (value, value.WhichOneof("parameter_choice")) for name, value in given.items()}
    return {name: getattr(value, choice) for name, (value, choice) in chosen.items() if choice}


def infer_message(
    messages: Any, request: InferRequest, model: ServedModel, tensors: Sequence[dict[str, Any]], *, raw: bool
) -> Any:
    """Return a `ModelInferResponse`.

    Args:
        messages: the module of the messages.
        request: the request, whose id is returned.
        model: the model that predicted.
        tensors: the output tensors.
        raw: whether their values are raw, as they are for a client whose inputs were.
    """
    response = messages.ModelInferResponse(model_name=model.name, model_version=model.version_name, id=request.id or "")
    for tensor in tensors:
        output = response.outputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        if raw:
            response.raw_output_contents.append(pack(tensor))
        else:
            values = [value.encode() for value in tensor["data"]] if tensor["datatype"] == "BYTES" else tensor["data"]
            getattr(output.contents, _CONTENTS[tensor["datatype"]]).extend(values)
    return response
