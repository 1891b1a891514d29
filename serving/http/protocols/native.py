"""`POST /predict`, for people: one text, several, or rows."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assay.serving.engine import Row
from assay.serving.http.context import Context, Json
from assay.serving.http.model_calls import Answered
from assay.serving.http.requests import TextRow, parse, read_body
from assay.serving.json_objects import as_object


class PredictRequest(BaseModel):
    """Exactly one of `text`, `texts` and `rows`."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"text": "Nice."}]})

    text: str | None = Field(None, description="One text")
    texts: list[str] | None = Field(None, description="Several texts")
    rows: list[TextRow] | None = Field(None, description="Texts, or pairs of them")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if sum(value is not None for value in (self.text, self.texts, self.rows)) != 1:
            raise ValueError("send exactly one of text, texts and rows")
        return self

    def as_rows(self) -> list[Row]:
        """The rows, in whichever form they were sent."""
        if self.text is not None:
            return [Row(self.text)]
        if self.texts is not None:
            return [Row(text) for text in self.texts]
        return [Row(row.text, row.text_pair) for row in self.rows or ()]


class EntityResponse(BaseModel):
    """An entity in characters (code points) of the text that was sent, end exclusive."""

    start: int
    end: int
    label: str
    text: str
    score: float


class RowResponse(BaseModel):
    """The answer to one row; a head that the model does not have leaves its keys out."""

    label: str | None = None
    probabilities: dict[str, float] | None = None
    entities: list[EntityResponse] | None = None
    truncated: bool = Field(description="The row was longer than the model reads; the answer rests on its beginning")


class ModelIdentity(BaseModel):
    """The model that answered; `version` is null for a folder."""

    name: str
    version: str | None
    digest: str


class PredictResponse(BaseModel):
    """Answers in the order of the rows."""

    model: ModelIdentity
    predictions: list[RowResponse]
    milliseconds: float


def objects(answered: Answered) -> list[dict[str, Any]]:
    """The answers as plain values."""
    engine = answered.model.engine
    pairs = zip(answered.rows, answered.predictions, strict=True)
    return [as_object(row.text, prediction, engine) for row, prediction in pairs]


def routes(context: Context) -> list[Route]:
    """The route of this protocol."""

    async def predict(request: Request) -> Response:
        body = parse(PredictRequest, await read_body(request, context.answering.limits))
        answered = await context.answer(request, body.as_rows())
        return Json(
            {
                "model": answered.model.identity(),
                "predictions": objects(answered),
                "milliseconds": round(answered.seconds * 1000, 3),
            }
        )

    return [Route("/predict", context.counted("predict", predict), methods=["POST"])]
