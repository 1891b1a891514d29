"""`/openapi.json`, built from the schemas that parse the requests, and `/docs`, a page without scripts."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from assay.serving.http.context import Json
from assay.serving.http.descriptions import (
    ErrorResponse,
    IndexResponse,
    LiveResponse,
    MetadataResponse,
    ModelReadyResponse,
    ModelResponse,
    ReadyResponse,
    ServerResponse,
)
from assay.serving.http.protocols.binary_tensors import BINARY_HEADER
from assay.serving.http.protocols.invocation_bodies import CSV, JSON_LINES, InvocationRequest
from assay.serving.http.protocols.mlflow import InvocationResponse
from assay.serving.http.protocols.native import PredictRequest, PredictResponse
from assay.serving.http.protocols.tensors import InferRequest, InferResponse
from assay.serving.http.server_settings import Limits
from assay.serving.page import load_icon
from assay.serving.prediction_options import MAX_CLASSES


@dataclass(frozen=True)
class _Operation:
    """One operation: its id, summary and response; a schema, or a content type of text. GET unless it has a body."""

    id: str
    summary: str
    response: type[BaseModel] | str
    request: type[BaseModel] | None = None
    errors: tuple[str, ...] = ("400", "401")


_TEXT = "text/plain"
_HEALTH = ("400", "503")
_OF_MODEL = ("400", "401", "404")
_INFER = "Predict tensors, by the Open Inference Protocol v2"
_MODEL = "/v2/models/{model}"
_VERSION = "/v2/models/{model}/versions/{version}"
_POSTS = {
    "/predict": _Operation("predict", "Predict one text, several texts, or rows", PredictResponse, PredictRequest),
    f"{_MODEL}/infer": _Operation("infer", _INFER, InferResponse, InferRequest),
    f"{_VERSION}/infer": _Operation("infer_version", f"{_INFER}, for a version", InferResponse, InferRequest),
    "/invocations": _Operation(
        "invoke", "MLflow's scoring protocol, and Vertex AI's", InvocationResponse, InvocationRequest
    ),
}
_OF_QUERY = ("/model", "/card")
_INDEX = _Operation(
    "index_repository", "The models of this server and their states", IndexResponse, errors=("400", "401", "403")
)
_GETS = {
    "/model": _Operation("get_model", "The active model", ModelResponse, errors=_OF_MODEL),
    "/card": _Operation("get_card", "Model card of the active model", "text/html", errors=_OF_MODEL),
    "/metrics": _Operation("get_metrics", "Metrics for Prometheus", _TEXT),
    "/v2": _Operation("get_server", "Metadata of the server", ServerResponse),
    _MODEL: _Operation("get_metadata", "Metadata of the model: its tensors", MetadataResponse, errors=_OF_MODEL),
    _VERSION: _Operation(
        "get_version_metadata", "Metadata of a version: its tensors", MetadataResponse, errors=_OF_MODEL
    ),
    f"{_MODEL}/ready": _Operation(
        "is_model_ready", "Whether the model is ready", ModelReadyResponse, errors=("400", "404", "503")
    ),
    f"{_VERSION}/ready": _Operation(
        "is_version_ready", "Whether a version is ready", ModelReadyResponse, errors=("400", "404", "503")
    ),
    "/v2/health/live": _Operation("is_live", "Whether the process is alive", LiveResponse, errors=("400",)),
    "/v2/health/ready": _Operation(
        "is_ready", "Whether the server is ready for requests", ReadyResponse, errors=_HEALTH
    ),
    "/ping": _Operation("ping", "Readiness, for MLflow and SageMaker", _TEXT, errors=_HEALTH),
    "/health": _Operation("get_health", "Readiness", _TEXT, errors=_HEALTH),
    "/version": _Operation("get_version", "Version of this server", _TEXT),
}
_ERRORS = {
    "400": "the body, or a line of it, is not of its content type; or the host name is not admitted",
    "401": "the token is missing or wrong",
    "403": "a web page of another site sent the request",
    "404": "there is no such model, version or card",
    "408": "the body came too slowly",
    "413": "the body is too large, or has too many rows",
    "415": "the content type or coding is not read; the message lists those that are",
    "422": "the request or one of its rows is invalid; `row` is the number of that row",
    "431": "the headers are too large",
    "429": "the wait would be too long; try again after Retry-After seconds",
    "500": "the model failed, or its prediction is not a finite number",
    "503": "the server is stopping, or not ready",
    "504": "the deadline passed before the model was free",
}
_OF_HOST = "the host name is not admitted"
_BINARY = "application/octet-stream"
_LINES = '"Shares fell."\n{"text": "Shares rose."}\n'
# Further content types: of bodies, each with an example, and of responses.
_BODIES: dict[str, dict[str, str | None]] = {
    "invoke": {CSV[0]: "text\nShares fell.\n", **dict.fromkeys(JSON_LINES, _LINES)},
    "infer": {_BINARY: None},
    "infer_version": {_BINARY: None},
}
_RESPONSES = {"invoke": (JSON_LINES[0],), "infer": (_BINARY,), "infer_version": (_BINARY,)}
_LENGTH = {
    "name": BINARY_HEADER,
    "in": "header",
    "schema": {"type": "integer", "minimum": 0, "maximum": Limits.body},
    "description": "Bytes of the JSON object, if binary data of tensors follow",
}
_REFERENCE = "#/components/schemas/{model}"
_DEADLINE = {
    "name": "X-Deadline-Ms",
    "in": "header",
    "schema": {"type": "integer", "minimum": 1, "maximum": int(Limits.max_deadline * 1000)},
    "description": "Maximum number of milliseconds that the request may wait for the model",
}


# Operations whose options are in the query.
_WITH_OPTIONS = ("predict", "invoke")
_OPTIONS = [
    ("model", {"type": "string"}, "Name of the model, by default the first one of the server"),
    ("top_k", {"type": "integer", "minimum": 1, "maximum": MAX_CLASSES}, "Number of most probable classes to return"),
    ("threshold", {"type": "number", "minimum": 0, "maximum": 1}, "Leave out labels and entities less probable"),
    ("labels_only", {"type": "boolean"}, "Leave out the probabilities"),
]


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    operations = [*_POSTS.values(), *_GETS.values(), _INDEX]
    schemas = {part for operation in operations for part in (operation.request, operation.response)} | {ErrorResponse}
    models = sorted((part for part in schemas if isinstance(part, type)), key=lambda schema: schema.__name__)
    _, definitions = models_json_schema([(schema, "validation") for schema in models], ref_template=_REFERENCE)
    posts = {path: {"post": _post(path, operation)} for path, operation in _POSTS.items()}
    gets = {path: {"get": _describe(path, operation)} for path, operation in _GETS.items()}
    index = {"/v2/repository/index": {"post": _describe("/v2/repository/index", _INDEX)}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Assay", "version": version("assay"), "description": "Predictions of models, on CPU"},
        "paths": posts | gets | index,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _post(path: str, operation: _Operation) -> dict[str, Any]:
    description = _describe(path, operation)
    if operation.id in _WITH_OPTIONS:
        description["parameters"] += [
            {"name": name, "in": "query", "schema": schema, "description": text} for name, schema, text in _OPTIONS
        ]
    description["parameters"] += [*([_LENGTH] if _BINARY in _BODIES.get(operation.id, ()) else []), _DEADLINE]
    assert operation.request is not None  # noqa: S101  # narrows the type
    content = {**_content(operation.request), **_other_bodies(operation.id)}
    description["requestBody"] = {"required": True, "content": content}
    return description | {"responses": description["responses"] | _error_responses(tuple(_ERRORS))}


def _other_bodies(operation_id: str) -> dict[str, Any]:
    return {
        kind: _of_text(kind) | ({"example": example} if example else {})
        for kind, example in _BODIES.get(operation_id, {}).items()
    }


def _describe(path: str, operation: _Operation) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    success = _content(operation.response)
    others = {kind: _of_text(kind) for kind in _RESPONSES.get(operation.id, ())}
    errors = _error_responses(operation.errors) | ({} if operation.request else _of_get(operation.errors, success))
    return {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names),
            *({"name": "model", "in": "query", "schema": {"type": "string"}} for _ in range(path in _OF_QUERY)),
        ],
        "responses": {"200": {"description": "Success", "content": success | others}, **errors},
    }


def _error_responses(statuses: tuple[str, ...]) -> dict[str, Any]:
    return {status: {"description": _ERRORS[status], "content": _content(ErrorResponse)} for status in statuses}


def _of_get(statuses: tuple[str, ...], success: dict[str, Any]) -> dict[str, Any]:
    """Return the errors that differ without a body: readiness has the format of its success, whatever it is."""
    special = {
        "400": {"description": _OF_HOST, "content": _content(ErrorResponse)},
        "503": {"description": _ERRORS["503"], "content": success},
    }
    return {status: special[status] for status in statuses if status in special}


def _content(schema: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(schema, str):
        return {schema: _of_text(schema)}
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=schema.__name__)}}}


def _of_text(content_type: str) -> dict[str, Any]:
    return {"schema": {"type": "string", **({"format": "binary"} if content_type == _BINARY else {})}}


# The icon is part of the page.
_POLICY = "default-src 'none'; img-src data:; frame-ancestors 'none'"


@cache
def page() -> str:
    """Return the document as an HTML page."""
    return "\n".join(_page_lines())


def _page_lines() -> Iterator[str]:
    yield '<!doctype html><html lang="en"><meta charset="utf-8"><title>Assay: HTTP</title>'
    yield '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    yield f'<link rel="icon" href="{load_icon()}"><main>'
    yield '<h1>Assay over HTTP</h1><p>OpenAPI document: <a href="openapi.json">openapi.json</a></p>'
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['summary'])}</p>"
            if body := operation.get("requestBody"):
                name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                others = "".join(f", or {kind}" for kind in list(body["content"])[1:])
                yield f'<p>Body: <a href="#{name}">{name}</a>{others}</p>'
    yield "<h2>Errors</h2><dl>"
    for status, description in _ERRORS.items():
        yield f"<dt>{status}</dt><dd>{escape(description)}</dd>"
    yield "</dl><h2>Schemas</h2>"
    for name, schema in document()["components"]["schemas"].items():
        yield f'<h3 id="{name}">{name}</h3><pre>{escape(to_json(schema, indent=2).decode())}</pre>'
    yield "</main>"


def routes() -> list[Route]:
    """Return the routes of the documentation."""

    async def show_document(request: Request) -> Response:
        return Json(document())

    async def show_page(request: Request) -> Response:
        return HTMLResponse(page(), headers={"Content-Security-Policy": _POLICY})

    return [Route("/openapi.json", show_document), Route("/docs", show_page)]
