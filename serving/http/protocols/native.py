"""`POST /predict`, the native protocol: one text, several texts, or rows."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay.serving.engine import Row
from assay.serving.http.context import Context, Json
from assay.serving.http.model_calls import PredictedRows
from assay.serving.http.request_body import read_body
from assay.serving.http.requests import TextRow, parse, request_options
from assay.serving.json_objects import as_object
from assay.serving.prediction_options import PredictionOptions


class PredictRequest(BaseModel):
    """Body of `/predict`: exactly one of `text`, `texts` and `rows`."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"text": "Nice."}]})

    text: str | None = Field(None, description="One text")
    texts: list[str] | None = Field(None, description="Several texts")
    rows: list[TextRow] | None = Field(None, description="Texts, or text pairs")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if sum(value is not None for value in (self.text, self.texts, self.rows)) != 1:
            raise ValueError("send exactly one of text, texts and rows")
        return self

    def as_rows(self) -> list[Row]:
        """Return the rows of the request."""
        if self.text is not None:
            return [Row(self.text)]
        if self.texts is not None:
            return [Row(text) for text in self.texts]
        return [Row(row.text, row.text_pair) for row in self.rows or ()]


class EntityResponse(BaseModel):
    """An entity, with offsets in characters (code points) of the text as sent; the end is exclusive."""

    start: int
    end: int
    label: str
    text: str
    score: float
    abstained: bool | None = Field(
        None, description="Whether the entity is left to a person; absent without a decision"
    )


class LabelResponse(BaseModel):
    """A label that applies, with its probability."""

    label: str
    score: float
    abstained: bool | None = Field(None, description="Whether the label is left to a person; absent without a decision")


class RowResponse(BaseModel):
    """The prediction for one row; the keys of a head or a decision that the model does not have are absent."""

    label: str | None = Field(None, description="Null if it is less probable than the threshold")
    probabilities: dict[str, float] | None = None
    labels: list[LabelResponse] | None = Field(None, description="The labels that apply; there may be none")
    label_probabilities: dict[str, float] | None = None
    entities: list[EntityResponse] | None = None
    abstained: bool | None = Field(None, description="Whether the class, a label or an entity is left to a person")
    label_abstained: bool | None = Field(
        None, description="Whether the class is left to a person; only of models that decide classes and another head"
    )
    truncated: bool = Field(
        description="Whether the row was too long for the model; the prediction uses its beginning only"
    )
    windows: int | None = Field(None, description="Number of windows that a long text was read in; absent if one")


class ModelIdentity(BaseModel):
    """The model that predicted; `version` is null for a local folder."""

    name: str
    version: str | None
    digest: str


class PredictResponse(BaseModel):
    """Predictions in the order of the rows."""

    model: ModelIdentity
    predictions: list[RowResponse]
    milliseconds: float


def prediction_objects(predicted: PredictedRows, options: PredictionOptions) -> list[dict[str, Any]]:
    """Return one JSON object per row, with what the options leave."""
    engine = predicted.model.engine
    pairs = zip(predicted.rows, predicted.predictions, strict=True)
    return [as_object(row.text, prediction, engine, options) for row, prediction in pairs]


def routes(context: Context) -> list[Route]:
    """Return the route of this protocol."""

    async def predict(request: Request) -> Response:
        model, options = context.requested_model(request), request_options(request)
        body = parse(PredictRequest, await read_body(request, context.model_calls.limits))
        predicted = await context.predict(request, model, body.as_rows())
        return Json(
            {
                "model": predicted.model.identity(),
                "predictions": prediction_objects(predicted, options),
                "milliseconds": round(predicted.seconds * 1000, 3),
            }
        )

    return [Route("/predict", context.with_metrics("predict", predict), methods=["POST"])]
