"""What MLflow's scoring server offers: `/invocations`, `/ping`, `/health`, `/version`. Vertex's `instances`, too.

Answers are those that `mlflow models serve` gives of the same model: flat, with a key `probability.CLASS` a class.
Vertex AI names port and routes in AIP_HTTP_PORT, AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE.
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
from assay.serving.http.protocols.native import EntityResponse, objects
from assay.serving.http.requests import TextRow, parse, read_body

Texts = list[str | TextRow]


class SplitFrame(BaseModel):
    """A data frame as pandas writes it with `orient="split"`."""

    model_config = ConfigDict(frozen=True)

    columns: list[str] = Field(examples=[["text"]])
    data: list[list[Any]] = Field(examples=[[["Nice."]]])
    index: list[Any] | None = None


class InvocationRequest(BaseModel):
    """Exactly one of the four forms; `params` and `parameters` are left alone."""

    model_config = ConfigDict(frozen=True)

    dataframe_split: SplitFrame | None = None
    dataframe_records: list[TextRow] | None = None
    instances: Texts | None = Field(None, description="Texts or rows, as TensorFlow Serving and Vertex AI send them")
    inputs: dict[str, list[str] | str] | Texts | str | None = Field(None, description="Columns, rows, or one text")
    params: dict[str, Any] | None = None
    parameters: Any = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        forms = (self.dataframe_split, self.dataframe_records, self.instances, self.inputs)
        if sum(form is not None for form in forms) != 1:
            raise ValueError("send exactly one of dataframe_split, dataframe_records, instances and inputs")
        return self

    def as_rows(self) -> list[Row]:
        """The rows, in whichever form they were sent.

        Raises:
            Refusal: 422, a column is missing or no column of texts.
        """
        if self.dataframe_split is not None:
            return _rows_of_frame(self.dataframe_split)
        if isinstance(self.inputs, dict):
            return _rows_of_columns(self.inputs)
        if isinstance(self.inputs, str):
            return [Row(self.inputs)]
        given: Texts = [*(self.dataframe_records or ()), *(self.instances or ()), *(self.inputs or ())]
        return [Row(one) if isinstance(one, str) else Row(one.text, one.text_pair) for one in given]


class FlatResponse(BaseModel):
    """The answer to one row; also `probability.CLASS` for each class."""

    model_config = ConfigDict(extra="allow")

    label: str | None = None
    entities: list[EntityResponse] | None = None
    truncated: bool


class InvocationResponse(BaseModel):
    """Answers in the order of the rows."""

    predictions: list[FlatResponse]


def flat(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer as the frame of MLflow's model has it."""
    values: dict[str, Any] = {}
    for name, value in answer.items():
        values |= (
            {f"probability.{label}": p for label, p in value.items()} if name == "probabilities" else {name: value}
        )
    return values


def _rows_of_frame(frame: SplitFrame) -> list[Row]:
    for number, values in enumerate(frame.data):
        if len(values) != len(frame.columns):
            reason = f"row {number}: it has {len(values)} values for {len(frame.columns)} columns"
            raise errors.Refusal(422, reason, "invalid", row=number)
    columns = {name: [values[place] for values in frame.data] for place, name in enumerate(frame.columns)}
    return _rows_of_columns(columns)


def _rows_of_columns(columns: Mapping[str, list[Any] | str]) -> list[Row]:
    if "text" not in columns:
        raise errors.Refusal(422, f"there is no column text; there are {', '.join(columns)[:200] or 'none'}", "invalid")
    lists = {name: [column] if isinstance(column, str) else column for name, column in columns.items()}
    texts = lists["text"]
    pairs = lists.get("text_pair", [None] * len(texts))
    if len(pairs) != len(texts):
        raise errors.Refusal(422, "text and text_pair have not the same number of rows", "invalid")
    return [Row(*row) for row in zip(texts, pairs, strict=True)]


def routes(context: Context, environment: Mapping[str, str] = os.environ) -> list[Route]:
    """The routes of this protocol, and those that the environment of Vertex AI names."""
    active_model = context.active_model

    async def invoke(request: Request) -> Response:
        body = parse(InvocationRequest, await read_body(request, context.answering.limits))
        answered = await context.answer(request, body.as_rows())
        # The protocol has no place for the version.
        version_header = {"X-Model-Version": answered.model.version_name}
        return Json({"predictions": [flat(one) for one in objects(answered)]}, headers=version_header)

    async def ping(request: Request) -> Response:
        return PlainTextResponse("\n", 200 if active_model.ready else 503)

    async def show_version(request: Request) -> Response:
        return PlainTextResponse(version("assay"))

    counted = context.counted("invocations", invoke)
    found = [
        Route("/invocations", counted, methods=["POST"]),
        Route("/ping", ping),
        Route("/health", ping),
        Route("/version", show_version),
    ]
    if predict := environment.get("AIP_PREDICT_ROUTE"):
        found.append(Route(predict, context.counted("vertex", invoke), methods=["POST"]))
    if health := environment.get("AIP_HEALTH_ROUTE"):
        found.append(Route(health, ping))
    return found
