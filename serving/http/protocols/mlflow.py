"""The protocol of MLflow's scoring server: `/invocations`, `/ping`, `/health`, `/version`, and Vertex AI's `instances`.

Responses equal those of `mlflow models serve` for the same model: flat, with one key `probability.CLASS` per class.
Vertex AI sets the port and routes in AIP_HTTP_PORT, AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE.
"""

import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from assay.serving.engine import Row
from assay.serving.http import error_responses as errors
from assay.serving.http.context import Context, Json
from assay.serving.http.protocols.native import EntityResponse, prediction_objects
from assay.serving.http.request_body import read_body
from assay.serving.http.requests import TextRow, parse

Texts = list[str | TextRow]


class SplitFrame(BaseModel):
    """A data frame as pandas writes it with `orient="split"`."""

    model_config = ConfigDict(frozen=True)

    columns: list[str] = Field(examples=[["text"]])
    data: list[list[Any]] = Field(examples=[[["Nice."]]])
    index: list[Any] | None = None


class InvocationRequest(BaseModel):
    """Body of `/invocations`: exactly one of four formats; `params` and `parameters` are ignored."""

    model_config = ConfigDict(frozen=True)

    dataframe_split: SplitFrame | None = None
    dataframe_records: list[TextRow] | None = None
    instances: Texts | None = Field(None, description="Texts or rows, as TensorFlow Serving and Vertex AI send them")
    inputs: dict[str, list[str] | str] | Texts | str | None = Field(None, description="Columns, rows, or one text")
    params: dict[str, Any] | None = None
    parameters: Any = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        formats = (self.dataframe_split, self.dataframe_records, self.instances, self.inputs)
        if sum(value is not None for value in formats) != 1:
            raise ValueError("send exactly one of dataframe_split, dataframe_records, instances and inputs")
        return self

    def as_rows(self) -> list[Row]:
        """Return the rows of the request.

        Raises:
            Refusal: 422, the column `text` is missing, or columns or rows differ in length.
        """
        if self.dataframe_split is not None:
            return _rows_of_frame(self.dataframe_split)
        if isinstance(self.inputs, dict):
            return _rows_of_columns(self.inputs)
        if isinstance(self.inputs, str):
            return [Row(self.inputs)]
        values: Texts = [*(self.dataframe_records or ()), *(self.instances or ()), *(self.inputs or ())]
        return [Row(value) if isinstance(value, str) else Row(value.text, value.text_pair) for value in values]


class FlatResponse(BaseModel):
    """The prediction for one row; also `probability.CLASS` for each class."""

    model_config = ConfigDict(extra="allow")

    label: str | None = None
    entities: list[EntityResponse] | None = None
    truncated: bool


class InvocationResponse(BaseModel):
    """Predictions in the order of the rows."""

    predictions: list[FlatResponse]


def flat(prediction: dict[str, Any]) -> dict[str, Any]:
    """Return a prediction as a row of the data frame that MLflow's model returns."""
    values: dict[str, Any] = {}
    for name, value in prediction.items():
        values |= (
            {f"probability.{label}": probability for label, probability in value.items()}
            if name == "probabilities"
            else {name: value}
        )
    return values


def _rows_of_frame(frame: SplitFrame) -> list[Row]:
    for number, values in enumerate(frame.data):
        if len(values) != len(frame.columns):
            reason = f"row {number}: it has {len(values)} values for {len(frame.columns)} columns; send one per column"
            raise errors.Refusal(422, reason, "invalid", row=number)
    columns = {name: [values[place] for values in frame.data] for place, name in enumerate(frame.columns)}
    return _rows_of_columns(columns)


def _rows_of_columns(columns: Mapping[str, list[Any] | str]) -> list[Row]:
    if "text" not in columns:
        names = ", ".join(columns)[:200] or "none"
        raise errors.Refusal(422, f"there is no column text; there are {names}; rename one", "invalid")
    lists = {name: [column] if isinstance(column, str) else column for name, column in columns.items()}
    texts = lists["text"]
    pairs = lists.get("text_pair", [None] * len(texts))
    if len(pairs) != len(texts):
        raise errors.Refusal(422, "text and text_pair differ in their number of rows; send a pair per row", "invalid")
    return [Row(*row) for row in zip(texts, pairs, strict=True)]


def routes(context: Context, environment: Mapping[str, str] = os.environ) -> list[Route]:
    """Return the routes of this protocol, and those that Vertex AI sets in the environment."""
    active_model = context.active_model

    async def invoke(request: Request) -> Response:
        body = parse(InvocationRequest, await read_body(request, context.model_calls.limits))
        predicted = await context.predict(request, body.as_rows())
        # The protocol has no field for the version.
        version_header = {"X-Model-Version": predicted.model.version_name}
        return Json({"predictions": [flat(values) for values in prediction_objects(predicted)]}, headers=version_header)

    async def ping(request: Request) -> Response:
        return PlainTextResponse("\n", 200 if active_model.ready else 503)

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
