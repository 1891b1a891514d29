"""`/openapi.json`, built from the schemas that parse the requests, and `/docs`, a page without scripts."""

from collections.abc import Iterator
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
from assay.serving.http.protocols.invocation_bodies import InvocationRequest
from assay.serving.http.protocols.mlflow import InvocationResponse
from assay.serving.http.protocols.native import PredictRequest, PredictResponse
from assay.serving.http.protocols.tensors import InferRequest, InferResponse
from assay.serving.http.server_settings import Limits


class ErrorResponse(BaseModel):
    """The error of a refused request; `row` is the number of the faulty row, if there is one."""

    error: str
    row: int | None = None


_POSTS: dict[str, tuple[str, type[BaseModel], type[BaseModel]]] = {
    "/predict": ("Predict one text, several texts, or rows", PredictRequest, PredictResponse),
    "/v2/models/{model}/infer": ("Open Inference Protocol v2", InferRequest, InferResponse),
    "/v2/models/{model}/versions/{version}/infer": (
        "Open Inference Protocol v2, for a version",
        InferRequest,
        InferResponse,
    ),
    "/invocations": ("MLflow's scoring protocol, and Vertex AI's", InvocationRequest, InvocationResponse),
}
_GETS = {
    "/model": "The active model",
    "/card": "Model card of the active model",
    "/metrics": "Metrics for Prometheus",
    "/v2": "Metadata of the server",
    "/v2/models/{model}": "Metadata of the model: its tensors",
    "/v2/models/{model}/versions/{version}": "Metadata of a version: its tensors",
    "/v2/models/{model}/ready": "Whether the model is ready",
    "/v2/health/live": "Whether the process is alive",
    "/v2/health/ready": "Whether the server is ready for requests",
    "/ping": "Readiness, for MLflow and SageMaker",
    "/health": "Readiness",
    "/version": "Version of this server",
}
_ERRORS = {
    "400": "the body is not JSON",
    "401": "the token is missing or wrong",
    "404": "there is no such model or version",
    "408": "the body came too slowly",
    "413": "the body is too large, or has too many rows",
    "415": "the content type is that of a form",
    "422": "the request or one of its rows is invalid; `row` is the number of that row",
    "429": "the wait would be too long; try again after Retry-After seconds",
    "500": "the model failed, or its prediction is not a finite number",
    "503": "the server is stopping",
    "504": "the deadline passed before the model was free",
}
_REFERENCE = "#/components/schemas/{model}"
_DEADLINE = {
    "name": "X-Deadline-Ms",
    "in": "header",
    "schema": {"type": "integer", "minimum": 1, "maximum": int(Limits.max_deadline * 1000)},
    "description": "Maximum number of milliseconds that the request may wait for the model",
}


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    schemas = {schema for _, *pair in _POSTS.values() for schema in pair} | {ErrorResponse}
    ordered = sorted(schemas, key=lambda schema: schema.__name__)
    _, definitions = models_json_schema([(schema, "validation") for schema in ordered], ref_template=_REFERENCE)
    posts = {path: {"post": _post(path, *operation)} for path, operation in _POSTS.items()}
    gets = {path: {"get": _operation(path, summary, {})} for path, summary in _GETS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Assay", "version": version("assay"), "description": "Predictions of one model, on CPU"},
        "paths": posts | gets,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _post(path: str, summary: str, request: type[BaseModel], response: type[BaseModel]) -> dict[str, Any]:
    operation = _operation(path, summary, _content(response))
    operation["parameters"] = [*operation["parameters"], _DEADLINE]
    operation["requestBody"] = {"required": True, **_content(request)}
    errors = {
        status: {"description": description, **_content(ErrorResponse)} for status, description in _ERRORS.items()
    }
    return operation | {"responses": operation["responses"] | errors}


def _operation(path: str, summary: str, content: dict[str, Any]) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {"summary": summary, "parameters": parameters, "responses": {"200": {"description": "Success", **content}}}


def _content(schema: type[BaseModel]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model=schema.__name__)}}}}


@cache
def page() -> str:
    """Return the document as an HTML page."""
    return "\n".join(_page_lines())


def _page_lines() -> Iterator[str]:
    yield '<!doctype html><html lang="en"><meta charset="utf-8"><title>Assay: HTTP</title>'
    yield '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    yield '<h1>Assay over HTTP</h1><p>OpenAPI document: <a href="openapi.json">openapi.json</a></p>'
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['summary'])}</p>"
            if body := operation.get("requestBody"):
                name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                yield f'<p>Body: <a href="#{name}">{name}</a></p>'
    yield "<h2>Errors</h2><dl>"
    for status, description in _ERRORS.items():
        yield f"<dt>{status}</dt><dd>{escape(description)}</dd>"
    yield "</dl><h2>Schemas</h2>"
    for name, schema in document()["components"]["schemas"].items():
        yield f'<h3 id="{name}">{name}</h3><pre>{escape(to_json(schema, indent=2).decode())}</pre>'


def routes() -> list[Route]:
    """Return the routes of the documentation."""

    async def show_document(request: Request) -> Response:
        return Json(document())

    async def show_page(request: Request) -> Response:
        return HTMLResponse(page())

    return [Route("/openapi.json", show_document), Route("/docs", show_page)]
