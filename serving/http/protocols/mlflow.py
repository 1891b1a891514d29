"""The protocol of MLflow's scoring server: `/invocations`, `/ping`, `/health`, `/version`, and Vertex AI's `instances`.

Responses equal those of `mlflow models serve` for the same model: flat, with one key `probability.CLASS` per class.
Vertex AI sets the port and routes in AIP_HTTP_PORT, AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE.
"""

import os
from collections.abc import Collection, Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from assay.serving.http.context import Context, Json
from assay.serving.http.protocols.invocation_bodies import CONTENT_TYPES, JSON_LINES, read_invocation
from assay.serving.http.protocols.native import EntityResponse, prediction_objects
from assay.serving.http.request_body import content_type_of, read_body
from assay.serving.http.requests import request_options
from assay.serving.json_objects import label_lists

# Objects that become a column for each of their keys.
_COLUMNS = {"probabilities": "probability", "label_probabilities": "label_probability"}


class FlatResponse(BaseModel):
    """The prediction for one row; also `probability.CLASS` per class and `label_probability.LABEL` per label."""

    model_config = ConfigDict(extra="allow")

    label: str | None = None
    labels: list[str] | None = None
    abstained_labels: list[str] | None = None
    entities: list[EntityResponse] | None = None
    abstained: bool | None = None
    label_abstained: bool | None = None
    truncated: bool
    windows: int | None = None


class InvocationResponse(BaseModel):
    """Predictions in the order of the rows."""

    predictions: list[FlatResponse]


def flat(prediction: dict[str, Any], decisions: Collection[str] = ()) -> dict[str, Any]:
    """Return a prediction as a row of the data frame that MLflow's model returns, with the decisions of the model."""
    values: dict[str, Any] = {}
    for name, value in prediction.items():
        if name in _COLUMNS:
            values |= {f"{_COLUMNS[name]}.{label}": probability for label, probability in value.items()}
        elif name == "labels":
            values |= label_lists(value, decisions)
        else:
            values[name] = value
    return values


def routes(context: Context, environment: Mapping[str, str] = os.environ) -> list[Route]:
    """Return the routes of this protocol, and those that Vertex AI sets in the environment."""

    async def invoke(request: Request) -> Response:
        model = context.requested_model(request)
        body = await read_body(request, context.model_calls.limits, ("", *CONTENT_TYPES))
        invocation = read_invocation(body, content_type_of(request))
        options = request_options(request, *invocation.options)
        predicted = await context.predict(request, model, invocation.rows)
        # The protocol has no field for the version.
        version_header = {"X-Model-Version": predicted.model.version_name}
        decisions = predicted.model.engine.decisions
        predictions = [flat(values, decisions) for values in prediction_objects(predicted, options)]
        if request.headers.get("accept", "").strip().lower() in JSON_LINES:
            lines = b"".join(to_json(prediction) + b"\n" for prediction in predictions)
            return Response(lines, headers=version_header, media_type=JSON_LINES[0])
        return Json({"predictions": predictions}, headers=version_header)

    async def ping(request: Request) -> Response:
        return PlainTextResponse("\n", 200 if context.models.ready else 503)

    async def show_version(request: Request) -> Response:
        return PlainTextResponse(version("assay"))

    endpoint = context.with_metrics("invocations", invoke)
    protocol_routes = [
        Route("/invocations", endpoint, methods=["POST"]),
        Route("/ping", ping),
        Route("/health", ping),
        Route("/version", show_version),
    ]
    if predict := environment.get("AIP_PREDICT_ROUTE"):
        protocol_routes.append(Route(predict, context.with_metrics("vertex", invoke), methods=["POST"]))
    if health := environment.get("AIP_HEALTH_ROUTE"):
        protocol_routes.append(Route(health, ping))
    return protocol_routes
