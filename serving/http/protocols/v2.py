"""The Open Inference Protocol, version 2 (github.com/kserve/open-inference-protocol, REST).

Inputs are the tensors `text` and, for a model of text pairs, `text_pair`, of BYTES, with one element per row. Outputs
are `label` (BYTES), `probabilities` (FP32, rows x classes), `entities` (BYTES, one JSON list per row) and `truncated`
(BOOL).
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay.serving.engine import Row
from assay.serving.http import error_responses as errors
from assay.serving.http.active_model import ServedModel
from assay.serving.http.context import Context, Json
from assay.serving.http.model_calls import PredictedRows
from assay.serving.http.request_body import read_body
from assay.serving.http.requests import parse
from assay.serving.http.server_settings import MAX_ROWS
from assay.serving.json_objects import entity_objects

Nested = list[Any]


class InputTensor(BaseModel):
    """A tensor of the request: `data` is flat in row-major order, or nested as in the shape."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(examples=["text"])
    shape: list[Annotated[int, Field(ge=-MAX_ROWS, le=MAX_ROWS)]] = Field(examples=[[1]])
    datatype: str = Field(examples=["BYTES"])
    data: Nested = Field(examples=[["Nice."]])
    parameters: dict[str, Any] | None = None


class RequestedOutput(BaseModel):
    """An output that the client requests."""

    model_config = ConfigDict(frozen=True)

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(BaseModel):
    """Body of `/v2/models/NAME/infer`."""

    model_config = ConfigDict(frozen=True)

    id: str | None = Field(None, description="Returned in the response")
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | None = Field(None, description="Outputs to return; null returns all")
    parameters: dict[str, Any] | None = None


class OutputTensor(BaseModel):
    """A tensor of the response; `data` is flat."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


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
    columns = [_texts(tensors[name]) for name in names]
    if len({len(column) for column in columns}) > 1:
        raise errors.Refusal(
            422, "text and text_pair differ in their number of elements; send a pair per row", "invalid"
        )
    return [Row(*row) for row in zip(*columns, strict=True)]


def _texts(tensor: InputTensor) -> list[str]:
    if tensor.datatype != "BYTES":
        raise errors.Refusal(422, f"input {tensor.name}: datatype is {tensor.datatype[:20]!r}; send BYTES", "invalid")
    data = list(_flat(tensor.data))
    count = 1
    for size in tensor.shape:
        count *= size
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]) or count != len(data):
        raise errors.Refusal(
            422,
            f"input {tensor.name}: shape is {tensor.shape[:5]}, but there are {len(data)} elements; "
            f"send shape [{len(data)}]",
            "invalid",
        )
    for number, value in enumerate(data):
        if not isinstance(value, str):
            raise errors.Refusal(422, f"row {number}: {tensor.name} is not a text; send strings", "invalid", row=number)
    return data


def _flat(data: Nested) -> Iterator[Any]:
    for value in data:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def output_tensors(predicted: PredictedRows) -> Iterator[dict[str, Any]]:
    """Yield all outputs of the model."""
    engine, predictions = predicted.model.engine, predicted.predictions
    count = len(predictions)
    if engine.labels:
        yield _tensor("label", "BYTES", [count], [prediction.label for prediction in predictions])
        flat = [probability for prediction in predictions for probability in prediction.probabilities]
        yield _tensor("probabilities", "FP32", [count, len(engine.labels)], flat)
    if engine.tags:
        pairs = zip(predicted.rows, predictions, strict=True)
        entities = [to_json(entity_objects(row.text, prediction)).decode() for row, prediction in pairs]
        yield _tensor("entities", "BYTES", [count], entities)
    yield _tensor("truncated", "BOOL", [count], [prediction.truncated for prediction in predictions])


def _tensor(name: str, datatype: str, shape: list[int], data: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def describe_model(model: ServedModel) -> dict[str, Any]:
    """Return the metadata of the model: its tensors, labels and digest."""
    engine = model.engine
    inputs = ["text", "text_pair"] if engine.manifest.pair else ["text"]
    outputs: list[tuple[str, str, list[int]]] = []
    if engine.labels:
        outputs += [("label", "BYTES", [-1]), ("probabilities", "FP32", [-1, len(engine.labels)])]
    if engine.tags:
        outputs.append(("entities", "BYTES", [-1]))
    outputs.append(("truncated", "BOOL", [-1]))
    return {
        "name": model.name,
        "versions": [model.version_name],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in inputs],
        "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs],
        "parameters": {"labels": engine.labels, "digest": model.digest},
    }


def routes(context: Context) -> list[Route]:
    """Return the routes of this protocol."""
    active_model = context.active_model

    def requested_model(request: Request) -> ServedModel:
        model = active_model.model
        name, number = request.path_params["model"], request.path_params.get("version")
        if name != model.name or number not in (None, model.version_name):
            requested = f"{name[:80]}{f' version {number[:20]}' if number else ''}"
            raise errors.Refusal(
                404, f"there is no model {requested}; request {model.name} version {model.version_name}", "not_found"
            )
        return model

    async def infer(request: Request) -> Response:
        model = requested_model(request)
        body = parse(InferRequest, await read_body(request, context.model_calls.limits))
        predicted = await context.predict(request, read_rows(body, pair=model.engine.manifest.pair))
        return Json(_infer_response(body, predicted))

    async def metadata(request: Request) -> Response:
        return Json(describe_model(requested_model(request)))

    async def model_ready(request: Request) -> Response:
        return Json(
            {"name": requested_model(request).name, "ready": active_model.ready}, 200 if active_model.ready else 503
        )

    async def ready(request: Request) -> Response:
        return Json({"ready": active_model.ready}, 200 if active_model.ready else 503)

    async def live(request: Request) -> Response:
        return Json({"live": True})

    async def server(request: Request) -> Response:
        return Json({"name": "assay", "version": version("assay"), "extensions": []})

    endpoint = context.with_metrics("v2", infer)
    paths = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    return [
        *(Route(f"{path}/infer", endpoint, methods=["POST"]) for path in paths),
        *(Route(f"{path}/ready", model_ready) for path in paths),
        *(Route(path, metadata) for path in paths),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/v2", server),
    ]


def _infer_response(request: InferRequest, predicted: PredictedRows) -> dict[str, Any]:
    outputs = {tensor["name"]: tensor for tensor in output_tensors(predicted)}
    names = [output.name for output in request.outputs] if request.outputs is not None else list(outputs)
    if unknown := [name for name in names if name not in outputs]:
        raise errors.Refusal(
            422, f"there is no output {unknown[0][:80]!r}; request some of {', '.join(outputs)}", "invalid"
        )
    return {
        "model_name": predicted.model.name,
        "model_version": predicted.model.version_name,
        **({"id": request.id} if request.id is not None else {}),
        "outputs": [outputs[name] for name in names],
    }
