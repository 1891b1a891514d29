"""`/openapi.json`, made of the schemas that parse the requests, and `/docs`, a page that shows it without a script."""

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
from assay.serving.http.protocols.mlflow import InvocationRequest, InvocationResponse
from assay.serving.http.protocols.native import PredictRequest, PredictResponse
from assay.serving.http.protocols.v2 import InferRequest, InferResponse
from assay.serving.http.server_settings import Limits


class ErrorResponse(BaseModel):
    """Why a request was not answered; `row` is the number of the row at fault, where there is one."""

    error: str
    row: int | None = None


_POSTS: dict[str, tuple[str, type[BaseModel], type[BaseModel]]] = {
    "/predict": ("Answer one text, several, or rows", PredictRequest, PredictResponse),
    "/v2/models/{model}/infer": ("Open Inference Protocol v2", InferRequest, InferResponse),
    "/v2/models/{model}/versions/{version}/infer": ("The same, of a version", InferRequest, InferResponse),
    "/invocations": ("MLflow's scoring protocol, and Vertex AI's", InvocationRequest, InvocationResponse),
}
_GETS = {
    "/model": "The model that answers",
    "/card": "Its model card",
    "/metrics": "For Prometheus",
    "/v2": "The server",
    "/v2/models/{model}": "Tensors of the model",
    "/v2/models/{model}/versions/{version}": "The same, of a version",
    "/v2/models/{model}/ready": "Whether the model is ready",
    "/v2/health/live": "Whether the process answers",
    "/v2/health/ready": "Whether requests should be sent here",
    "/ping": "As ready, for MLflow and SageMaker",
    "/health": "As ready",
    "/version": "Version of this server",
}
_ERRORS = {
    "400": "not JSON",
    "401": "no token, or another one",
    "404": "no such model",
    "408": "the body came too slowly",
    "413": "the body is too large, or has too many rows",
    "415": "sent by a form",
    "422": "a row cannot be answered; `row` is its number",
    "429": "the wait would be too long; Retry-After says when to try again",
    "500": "the model failed, or its answer is not a finite number",
    "503": "the server is stopping",
    "504": "the deadline passed before the model was free",
}
_REFERENCE = "#/components/schemas/{model}"
_DEADLINE = {
    "name": "X-Deadline-Ms",
    "in": "header",
    "schema": {"type": "integer", "minimum": 1, "maximum": int(Limits.longest_deadline * 1000)},
    "description": "Most milliseconds that the request may wait for its turn",
}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    schemas = {schema for _, *pair in _POSTS.values() for schema in pair} | {ErrorResponse}
    ordered = sorted(schemas, key=lambda schema: schema.__name__)
    _, found = models_json_schema([(schema, "validation") for schema in ordered], ref_template=_REFERENCE)
    posts = {path: {"post": _post(path, *what)} for path, what in _POSTS.items()}
    gets = {path: {"get": _operation(path, summary, {})} for path, summary in _GETS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Assay", "version": version("assay"), "description": "Answers of one model, on CPU"},
        "paths": posts | gets,
        "components": {
            "schemas": found["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _post(path: str, summary: str, request: type[BaseModel], response: type[BaseModel]) -> dict[str, Any]:
    operation = _operation(path, summary, _content(response))
    operation["parameters"] = [*operation["parameters"], _DEADLINE]
    operation["requestBody"] = {"required": True, **_content(request)}
    errors = {status: {"description": what, **_content(ErrorResponse)} for status, what in _ERRORS.items()}
    return operation | {"responses": operation["responses"] | errors}


def _operation(path: str, summary: str, content: dict[str, Any]) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    places = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {"summary": summary, "parameters": places, "responses": {"200": {"description": "Done", **content}}}


def _content(schema: type[BaseModel]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": _REFERENCE.format(model=schema.__name__)}}}}


@cache
def page() -> str:
    """The document as a page for people."""
    return "\n".join(_page_lines())


def _page_lines() -> Iterator[str]:
    yield '<!doctype html><html lang="en"><meta charset="utf-8"><title>Assay: HTTP</title>'
    yield '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    yield '<h1>Assay over HTTP</h1><p>For machines: <a href="openapi.json">openapi.json</a></p>'
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['summary'])}</p>"
            if body := operation.get("requestBody"):
                name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                yield f'<p>Body: <a href="#{name}">{name}</a></p>'
    yield "<h2>Errors</h2><dl>"
    for status, what in _ERRORS.items():
        yield f"<dt>{status}</dt><dd>{escape(what)}</dd>"
    yield "</dl><h2>Schemas</h2>"
    for name, schema in document()["components"]["schemas"].items():
        yield f'<h3 id="{name}">{name}</h3><pre>{escape(to_json(schema, indent=2).decode())}</pre>'


def routes() -> list[Route]:
    """The routes of the documentation."""

    async def show_document(request: Request) -> Response:
        return Json(document())

    async def show_page(request: Request) -> Response:
        return HTMLResponse(page())

    return [Route("/openapi.json", show_document), Route("/docs", show_page)]
