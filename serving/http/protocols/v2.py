"""The Open Inference Protocol, version 2 (github.com/kserve/open-inference-protocol, REST).

Inputs are the tensors `text` and, for a model of text pairs, `text_pair`, of BYTES, with one element per row. Outputs
are `label` (BYTES), `probabilities` (FP32, rows x classes), `entities` (BYTES, one JSON list per row) and `truncated`
(BOOL). Tensors may be binary data after the JSON object, which is the default of Triton's client.
"""

from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay.serving.http import error_responses as errors
from assay.serving.http.active_model import ServedModel
from assay.serving.http.context import Context, Json
from assay.serving.http.model_calls import PredictedRows
from assay.serving.http.protocols.binary_tensors import BINARY_HEADER, binary_response, read_infer_request
from assay.serving.http.protocols.tensors import (
    InferRequest,
    output_names,
    output_tensors,
    read_rows,
    requested_outputs,
)
from assay.serving.http.request_body import read_body

EXTENSIONS = ["binary_tensor_data", "model_repository"]


def describe_model(model: ServedModel) -> dict[str, Any]:
    """Return the metadata of the model: its tensors, labels and digest."""
    engine = model.engine
    inputs = ["text", "text_pair"] if engine.manifest.pair else ["text"]
    kinds: dict[str, tuple[str, list[int]]] = {
        "label": ("BYTES", [-1]),
        "probabilities": ("FP32", [-1, len(engine.labels)]),
        "entities": ("BYTES", [-1]),
        "truncated": ("BOOL", [-1]),
    }
    outputs = [(name, *kinds[name]) for name in output_names(model)]
    return {
        "name": model.name,
        "versions": [model.version_name],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in inputs],
        "outputs": [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs],
        "parameters": {"labels": engine.labels, "digest": model.digest, "precision": engine.precision},
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
        content = await read_body(request, context.model_calls.limits)
        body = read_infer_request(content, request.headers.get(BINARY_HEADER))
        outputs = requested_outputs(body, model)
        predicted = await context.predict(request, read_rows(body, pair=model.engine.manifest.pair))
        return _infer_response(body, outputs, predicted)

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
        return Json(
            {"name": "assay", "version": version("assay"), "extensions": ["binary_tensor_data", "model_repository"]}
        )

    async def repository(request: Request) -> Response:
        model, ready = active_model.model, active_model.ready
        state, reason = ("READY", "") if ready else ("UNAVAILABLE", "the server is stopping")
        return Json([{"name": model.name, "version": model.version_name, "state": state, "reason": reason}])

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


def _infer_response(request: InferRequest, outputs: dict[str, bool], predicted: PredictedRows) -> Response:
    tensors = {tensor["name"]: tensor for tensor in output_tensors(predicted)}
    head: dict[str, Any] = {"model_name": predicted.model.name, "model_version": predicted.model.version_name}
    if request.id is not None:
        head["id"] = request.id
    if any(outputs.values()):
        return binary_response(head, [(tensors[name], binary) for name, binary in outputs.items()])
    return Json({**head, "outputs": [tensors[name] for name in outputs]})
