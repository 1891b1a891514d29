"""The tensors of the Open Inference Protocol: schemas of its bodies, rows of a request, outputs of a response."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from assay.serving.engine import Row
from assay.serving.http import error_responses as errors
from assay.serving.http.active_model import ServedModel
from assay.serving.http.model_calls import PredictedRows
from assay.serving.http.server_settings import MAX_ROWS
from assay.serving.json_objects import (
    abstention_names,
    entity_objects,
    label_list_names,
    label_lists,
    label_objects,
)
from assay.serving.prediction_options import ALL, PredictionOptions

# The codecs of MLServer whose tensors are plain texts; base64 is decoded, any other is refused.
_TEXT_CONTENT = (None, "str", "np", "pd")

# Parameters of tensors in protocols that Triton adds; to ignore them would be a wrong response.
_UNSUPPORTED = {"classification", "shared_memory_region"}

Nested = list[Any]


class InputTensor(BaseModel):
    """A tensor of the request: `data` is flat in row-major order, or nested as in the shape."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(examples=["text"])
    shape: list[Annotated[int, Field(ge=-MAX_ROWS, le=MAX_ROWS)]] = Field(examples=[[1]])
    datatype: str = Field(examples=["BYTES"])
    data: Nested | None = Field(None, description="Absent if the tensor is binary", examples=[["Nice."]])
    parameters: dict[str, Any] = Field(
        {}, description="`binary_data_size` of a binary tensor; `content_type` of MLServer: str or base64"
    )


class RequestedOutput(BaseModel):
    """An output that the client requests."""

    model_config = ConfigDict(frozen=True)

    name: str
    parameters: dict[str, Any] = Field({}, description="`binary_data`: whether to return the tensor as binary data")


class InferRequest(BaseModel):
    """Body of `/v2/models/NAME/infer`."""

    model_config = ConfigDict(frozen=True)

    id: str | None = Field(None, description="Returned in the response")
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | None = Field(None, description="Outputs to return; null returns all")
    parameters: dict[str, Any] = Field(
        {},
        description="`binary_data_output`: whether to return all tensors as binary data; `top_k`, `threshold` and "
        "`labels_only` as in the query of /predict",
    )


class OutputTensor(BaseModel):
    """A tensor of the response; `data` is flat, and absent if the tensor is binary."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class InferResponse(BaseModel):
    """Response of `/v2/models/NAME/infer`."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


def read_rows(request: InferRequest, *, pair: bool) -> list[Row]:
    """Return the rows of the input tensors.

    Raises:
        Refusal: 422, a tensor is missing or unknown, or does not match its shape.
    """
    names = ["text", "text_pair"] if pair else ["text"]
    tensors = {tensor.name: tensor for tensor in request.inputs}
    if sorted(tensors) != names or len(request.inputs) != len(names):
        given = ", ".join(tensor.name for tensor in request.inputs) or "none"
        raise errors.Refusal(422, f"inputs are {given[:200]}; this model takes {' and '.join(names)}", "invalid")
    content_type = request.parameters.get("content_type")
    columns = [_texts(tensors[name], content_type) for name in names]
    if len({len(column) for column in columns}) > 1:
        raise errors.Refusal(
            422, "text and text_pair differ in their number of elements; send a pair per row", "invalid"
        )
    return [Row(*row) for row in zip(*columns, strict=True)]


def _texts(tensor: InputTensor, default_content: Any) -> list[str]:
    check_datatype(tensor.name, tensor.datatype)
    _check_parameters(f"input {tensor.name}", tensor.parameters)
    if tensor.data is None:
        raise errors.Refusal(422, f"input {tensor.name}: data is missing; send one text per row", "invalid")
    data = list(_flat(tensor.data))
    _check_shape(tensor, len(data))
    for number, value in enumerate(data):
        if not isinstance(value, str):
            raise errors.Refusal(422, f"row {number}: {tensor.name} is not a text; send strings", "invalid", row=number)
    return _decode_content(tensor, data, tensor.parameters.get("content_type", default_content))


def check_datatype(name: str, datatype: str) -> None:
    """Check that a tensor holds texts.

    Raises:
        Refusal: 422, it holds numbers.
    """
    if datatype != "BYTES":
        raise errors.Refusal(422, f"input {name}: datatype is {datatype[:20]!r}; send BYTES", "invalid")


def _check_parameters(owner: str, parameters: Mapping[str, Any]) -> None:
    if unsupported := _UNSUPPORTED & parameters.keys():
        fault = f"{owner}: {min(unsupported)} is not supported; leave the parameter out"
        raise errors.Refusal(422, fault, "invalid")


def _is_binary(owner: str, parameters: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """Return a parameter that requests binary data."""
    value = parameters.get(name)
    if value is not None and not isinstance(value, bool):
        raise errors.Refusal(422, f"{owner}: {name} is {str(value)[:40]!r}; send true or false", "invalid")
    return default if value is None else value


def _check_shape(tensor: InputTensor, elements: int) -> None:
    count = 1
    for size in tensor.shape:
        count *= size
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]) or count != elements:
        raise errors.Refusal(
            422,
            f"input {tensor.name}: shape is {tensor.shape[:5]}, but there are {elements} elements; "
            f"send shape [{elements}]",
            "invalid",
        )


def _decode_content(tensor: InputTensor, data: list[str], content_type: Any) -> list[str]:
    """Decode texts as MLServer's `content_type` says."""
    if content_type in _TEXT_CONTENT:
        return data
    if content_type != "base64":
        raise errors.Refusal(
            422, f"input {tensor.name}: content_type is {str(content_type)[:40]!r}; send str or base64", "invalid"
        )
    return [_from_base64(value, tensor.name, number) for number, value in enumerate(data)]


def _from_base64(value: str, name: str, number: int) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        raise errors.Refusal(
            422, f"row {number}: {name} is not a text in base64, as its content_type says", "invalid", row=number
        ) from None


def _flat(data: Nested) -> Iterator[Any]:
    for value in data:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def output_names(model: ServedModel, options: PredictionOptions = ALL) -> list[str]:
    """Return the names of all outputs of a model, in their order."""
    names = [*abstention_names(model.engine.decisions), "truncated"]
    if model.engine.tags:
        names = ["entities", *names]
    if model.engine.row_labels:
        probabilities = [] if options.labels_only else ["label_probabilities"]
        names = [*label_list_names(model.engine.decisions), *probabilities, *names]
    if model.engine.labels and not options.labels_only:
        names = [*(["classes"] if options.top_k else []), "probabilities", *names]
    return ["label", *names] if model.engine.labels else names


def requested_outputs(request: InferRequest, model: ServedModel, options: PredictionOptions) -> dict[str, bool]:
    """Return the names of the outputs to send, each with whether it is sent as binary data.

    Raises:
        Refusal: 422, there is no such output, or it is requested in a way that this server does not support.
    """
    names = output_names(model, options)
    binary = _is_binary("parameters", request.parameters, "binary_data_output")
    if request.outputs is None:
        return dict.fromkeys(names, binary)
    for output in request.outputs:
        if output.name not in names:
            raise errors.Refusal(
                422, f"there is no output {output.name[:80]!r}; request some of {', '.join(names)}", "invalid"
            )
        _check_parameters(f"output {output.name}", output.parameters)
    return {
        output.name: _is_binary(f"output {output.name}", output.parameters, "binary_data", binary)
        for output in request.outputs
    }


def output_tensors(predicted: PredictedRows, options: PredictionOptions) -> Iterator[dict[str, Any]]:
    """Yield all outputs of the model.

    With `top_k`, `probabilities` has that many columns, and `classes` names the class of each element. A class below
    the threshold is an empty text, since BYTES has no null. `labels` and `abstained_labels` hold a JSON list per row.
    """
    engine, predictions = predicted.model.engine, predicted.predictions
    count = len(predictions)
    if engine.labels:
        yield _tensor("label", "BYTES", [count], [options.label(prediction) or "" for prediction in predictions])
        scores = [options.probabilities(prediction, engine.labels) for prediction in predictions]
        shape = [count, min(options.top_k or len(engine.labels), len(engine.labels))]
        if options.top_k:
            yield _tensor("classes", "BYTES", shape, [label for row in scores for label in row])
        yield _tensor("probabilities", "FP32", shape, [score for row in scores for score in row.values()])
    if engine.row_labels:
        lists = [label_lists(label_objects(one, engine, options), engine.decisions) for one in predictions]
        for name in label_list_names(engine.decisions):
            yield _tensor(name, "BYTES", [count], [to_json(row[name]).decode() for row in lists])
        values = [value for prediction in predictions for value in prediction.label_probabilities]
        yield _tensor("label_probabilities", "FP32", [count, len(engine.row_labels)], values)
    if engine.tags:
        pairs = zip(predicted.rows, predictions, strict=True)
        entities = [
            to_json(entity_objects(row.text, prediction, engine, options)).decode() for row, prediction in pairs
        ]
        yield _tensor("entities", "BYTES", [count], entities)
    for name in abstention_names(engine.decisions):
        yield _tensor(name, "BOOL", [count], [getattr(prediction, name) for prediction in predictions])
    yield _tensor("truncated", "BOOL", [count], [prediction.truncated for prediction in predictions])


def _tensor(name: str, datatype: str, shape: list[int], data: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}
