"""Rows of requests: JSON parsed by a schema, and rows checked against the model."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay.serving.engine import Row
from assay.serving.http import error_responses as errors
from assay.serving.row_texts import text_fault

Schema = TypeVar("Schema", bound=BaseModel)


class TextRow(BaseModel):
    """One row: a text, and for models of text pairs the second text. Other keys are ignored."""

    model_config = ConfigDict(frozen=True)

    text: str = Field(description="The text", examples=["Shares of Apple fell after the report."])
    text_pair: str | None = Field(None, description="The second text, for a model of text pairs")


def parse(schema: type[Schema], body: bytes) -> Schema:
    """Parse the body of a request by a schema.

    Raises:
        Refusal: 400 the body is not JSON, 422 it does not match the schema.
    """
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from None
    except RecursionError:
        raise errors.Refusal(400, "the body is nested too deeply", "invalid") from None


def _refusal(error: ValidationError) -> errors.Refusal:
    fault = error.errors(include_url=False, include_context=False)[0]
    if fault["type"] == "json_invalid":
        return errors.Refusal(400, f"the body is not JSON: {fault['msg'].removeprefix('Invalid JSON: ')}", "invalid")
    location = [part for part in fault["loc"] if part not in ("str", "list[str]", "TextRow")]
    row = next((part for part in location if isinstance(part, int)), None)
    key = ".".join(map(str, location)) or "body"
    reason = fault["msg"].removeprefix("Value error, ")
    line = f"row {row}: {key}: {reason}" if row is not None else f"{key}: {reason}"
    return errors.Refusal(422, line, "invalid", row=row)


def check_rows(rows: Sequence[Row], *, pair: bool) -> None:
    """Check that the model can read each row.

    Raises:
        Refusal: 422, with the number of the first row that it cannot read.
    """
    if not rows:
        raise errors.Refusal(422, "there are no rows; send at least one text", "invalid")
    for number, row in enumerate(rows):
        if fault := _row_fault(row, pair):
            raise errors.Refusal(422, f"row {number}: {fault}", "invalid", row=number)


def _row_fault(row: Row, pair: bool) -> str | None:
    if fault := text_fault(row.text, "text"):
        return fault
    if pair:
        return text_fault(row.text_pair, "text_pair")
    return None if row.text_pair is None else "text_pair is given, but this model reads one text; drop it"
