"""The Open Inference Protocol, version 2 (github.com/kserve/open-inference-protocol, REST).

Inputs are the tensors `text` and, for a model of text pairs, `text_pair`, of BYTES, with one element per row. Outputs
are `label` (BYTES), `probabilities` (FP32, rows x classes), `labels` and `abstained_labels` (BYTES, one JSON list per
row), `label_probabilities` (FP32, rows x labels), `entities` (BYTES, one JSON list per row), `abstained` and
`label_abstained` (BOOL), those about abstaining of a model with decisions, and `truncated` (BOOL), as far as the model
has them. Tensors may be binary data after the JSON object, which is the default of Triton's client.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay.serving.http.active_model import ServedModel
from assay.serving.http.context import Context, Json
from assay.serving.http.protocols.binary_tensors import BINARY_HEADER, binary_response, read_infer_request
from assay.serving.http.protocols.tensors import (
    InferRequest,
    output_names,
    output_tensors,
    read_rows,
    requested_outputs,
)
from assay.serving.http.request_body import read_body
from assay.serving.http.requests import request_options

EXTENSIONS = ["binary_tensor_data", "model_repository"]


def describe_model(model: ServedModel) -> dict[str, Any]:
    """Return the metadata of the model: its tensors, labels and digest."""
    engine = model.engine
    inputs = ["text", "text_pair"] if engine.manifest.pair else ["text"]
    kinds: dict[str, tuple[str, list[int]]] = {
        "label": ("BYTES", [-1]),
        "probabilities": ("FP32", [-1, len(engine.labels)]),
        "labels": ("BYTES", [-1]),
        "abstained_labels": ("BYTES", [-1]),
        "label_probabilities": ("FP32", [-1, len(engine.row_labels)]),
        "entities": ("BYTES", [-1]),
        "abstained": ("BOOL", [-1]),
        "label_abstained": ("BOOL", [-1]),
        "truncated": ("BOOL", [-1]),
    }
    outputs = [(name, *kinds[name]) for name in output_names(model)]
    return {
        "name": model.name,
        "versions": [model.version_name],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in inputs],
        "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs],
        "parameters": {
            "labels": engine.labels,
            "row_labels": engine.row_labels,
            "digest": model.digest,
            "precision": engine.precision,
        },
    }


def routes(context: Context) -> list[Route]:
    """Return the routes of this protocol."""
    models = context.models

    def requested_model(request: Request) -> ServedModel:
        return models.find(request.path_params["model"], request.path_params.get("version")).model

    async def infer(request: Request) -> Response:
        model = requested_model(request)
        content = await read_body(request, context.model_calls.limits)
        body = read_infer_request(content, request.headers.get(BINARY_HEADER))
        options = request_options(request, body.parameters)
        outputs = requested_outputs(body, model, options)
        predicted = await context.predict(request, model, read_rows(body, pair=model.engine.manifest.pair))
        tensors = {tensor["name"]: tensor for tensor in output_tensors(predicted, options)}
        return _infer_response(body, predicted.model, [(tensors[name], binary) for name, binary in outputs.items()])

    async def metadata(request: Request) -> Response:
        return Json(describe_model(requested_model(request)))

    async def model_ready(request: Request) -> Response:
        return Json({"name": requested_model(request).name, "ready": models.ready}, 200 if models.ready else 503)

    async def ready(request: Request) -> Response:
        return Json({"ready": models.ready}, 200 if models.ready else 503)

    async def live(request: Request) -> Response:
        return Json({"live": True})

    async def server(request: Request) -> Response:
        return Json({"name": "assay", "version": version("assay"), "extensions": EXTENSIONS})

    async def repository(request: Request) -> Response:
        state = {"state": "READY", "reason": ""}
        if not models.ready:
            state = {"state": "UNAVAILABLE", "reason": "the server is stopping"}
        return Json([{"name": active.model.name, "version": active.model.version_name, **state} for active in models])

    endpoint = context.with_metrics("v2", infer)
    paths = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    return [
        *(Route(f"{path}/infer", endpoint, methods=["POST"]) for path in paths),
        *(Route(f"{path}/ready", model_ready) for path in paths),
        *(Route(path, metadata) for path in paths),
        Route("/v2/repository/index", repository, methods=["POST"]),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/v2", server),
    ]


def _infer_response(
    request: InferRequest, model: ServedModel, tensors: Sequence[tuple[dict[str, Any], bool]]
) -> Response:
    head: dict[str, Any] = {"model_name": model.name, "model_version": model.version_name}
    if request.id is not None:
        head["id"] = request.id
    if any(binary for _, binary in tensors):
        return binary_response(head, tensors)
    return Json({**head, "outputs": [tensor for tensor, _ in tensors]})
