"""Rows of requests: JSON parsed by a schema, and rows checked against the model."""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.engine import Row
from assay.serving.http import error_responses as errors
from assay.serving.prediction_options import PredictionOptions, read_options
from assay.serving.row_texts import MAX_CHARACTERS, row_fault

_DIGITS = 18

Schema = TypeVar("Schema", bound=BaseModel)

# Keys of lists with one element per row.
ROW_KEYS: frozenset[int | str] = frozenset(
    ("texts", "rows", "dataframe_records", "instances", "inputs", "data", "text_pair", "text")
)


class TextRow(BaseModel):
    """One row: a text, and for models of text pairs the second text. Other keys are ignored."""

    model_config = ConfigDict(frozen=True)

    text: str = Field(description="The text", examples=["Shares of Apple fell after the report."])
    text_pair: str | None = Field(None, description="The second text, for a model of text pairs")


def parse(schema: type[Schema], body: bytes, row_keys: Collection[int | str] = ROW_KEYS) -> Schema:
    """Parse the body of a request by a schema.

    Args:
        schema: schema of the body.
        body: JSON.
        row_keys: keys of lists with one element per row, for the number of the row at fault.

    Raises:
        Refusal: 400 the body is not JSON, 422 it does not match the schema.
    """
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error, row_keys) from None
    except RecursionError:
        raise errors.Refusal(400, "the body is nested too deeply", "invalid") from None


def refusal_of(error: ValidationError, row_keys: Collection[int | str] = ROW_KEYS) -> errors.Refusal:
    """Return the 400 or 422 for what does not match a schema; `row_keys` is that of `parse`."""
    # The alternatives of a union fail each by itself: the one that came furthest is the one that the client means.
    fault = max(error.errors(include_url=False, include_context=False), key=lambda fault: len(fault["loc"]))
    if fault["type"] == "json_invalid":
        return errors.Refusal(400, f"the body is not JSON: {fault['msg'].removeprefix('Invalid JSON: ')}", "invalid")
    location = [part for part in fault["loc"] if not _is_type(part)]
    row = _row_number(location, row_keys)
    key = ".".join(map(str, location)) or "body"
    reason = fault["msg"].removeprefix("Value error, ")
    line = f"row {row}: {key}: {reason}" if row is not None else f"{key}: {reason}"
    return errors.Refusal(422, line, "invalid", row=row)


def _is_type(part: int | str) -> bool:
    """Return whether a part of a location is the alternative of a union, and no key."""
    return isinstance(part, str) and (part in ("str", "TextRow") or "[" in part)


def _row_number(location: Sequence[int | str], row_keys: Collection[int | str]) -> int | None:
    """Return the number of the row at a location; a number below another key counts tensors or columns."""
    for key, number in pairwise(location):
        if key in row_keys and isinstance(number, int):
            return number
    return None


def read_count(header: str) -> int | None:
    """Return the number in a header, or as many of its first digits as are beyond any limit; None if it is none."""
    # int() refuses numbers of thousands of digits.
    return int(header.lstrip("0")[:_DIGITS] or "0") if header.isdecimal() else None


def check_rows(rows: Sequence[Row], *, pair: bool) -> None:
    """Check that the model can read each row.

    Raises:
        Refusal: 422, with the number of the first row that it cannot read.
    """
    if not rows:
        raise errors.Refusal(422, "there are no rows; send at least one text", "invalid")
    for number, row in enumerate(rows):
        if fault := row_fault(row.text, row.text_pair, pair=pair, most=MAX_CHARACTERS):
            raise errors.Refusal(422, f"row {number}: {fault}", "invalid", row=number)


def request_options(request: Request, *parameters: Mapping[str, Any] | None) -> PredictionOptions:
    """Return the options of a prediction.

    Args:
        request: a request, whose query may hold options.
        parameters: further options in its body; those of the query come first.

    Raises:
        Refusal: 422, an option is out of range.
    """
    values: dict[str, Any] = {}
    for given in (*parameters, request.query_params):
        values |= given or {}
    try:
        return read_options(values)
    except AssayError as error:
        raise errors.Refusal(422, str(error), "invalid") from None
