"""Bodies of `/invocations`: the JSON formats of MLflow, CSV with a header, and JSON lines."""

import csv
import io
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from assay.serving.engine import Row
from assay.serving.http import error_responses as errors
from assay.serving.http.requests import TextRow, parse
from assay.serving.http.server_settings import MAX_BYTES

JSON = ("application/json",)
CSV = ("text/csv",)
JSON_LINES = ("application/jsonlines", "application/x-ndjson", "application/jsonl", "application/x-jsonlines")
CONTENT_TYPES = (*JSON, *CSV, *JSON_LINES)

Texts = list[str | TextRow]
Columns = dict[str, Any]
_READ = ("text", "text_pair")  # other columns are ignored, whatever they hold


class SplitFrame(BaseModel):
    """A data frame as pandas writes it with `orient="split"`."""

    model_config = ConfigDict(frozen=True)

    columns: list[str] = Field(examples=[["text"]])
    data: list[list[Any]] = Field(examples=[[["Nice."]]])
    index: list[Any] | None = None


class InvocationRequest(BaseModel):
    """Body of `/invocations`: exactly one of four formats, and options."""

    model_config = ConfigDict(frozen=True)

    dataframe_split: SplitFrame | None = None
    dataframe_records: list[TextRow] | None = None
    instances: Columns | Texts | None = Field(None, description="Texts, rows or columns, as Vertex AI sends them")
    inputs: Columns | Texts | str | None = Field(None, description="Columns, rows, or one text")
    params: dict[str, Any] | None = Field(None, description="Options as in the query; others are ignored")
    parameters: Any = Field(None, description="Options, as Vertex AI sends them")

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
        values = next(v for v in (self.dataframe_records, self.instances, self.inputs) if v is not None)
        if isinstance(values, dict):
            return _rows_of_columns(values)
        return [Row(values)] if isinstance(values, str) else [_as_row(value) for value in values]


_LINE: TypeAdapter[str | TextRow] = TypeAdapter(str | TextRow)


class Invocation(NamedTuple):
    """The rows of a request, and the options in its body."""

    rows: list[Row]
    options: tuple[Mapping[str, Any], ...] = ()


def read_invocation(body: bytes, content_type: str) -> Invocation:
    """Return the rows and the options in a body.

    Args:
        body: the body of a request.
        content_type: one of `CONTENT_TYPES`; any other is read as JSON.

    Raises:
        Refusal: 400 the body, or a line of it, is not of its content type; 422 it is, and has no such rows: the column
            `text` is missing, a line is no row, or columns or rows differ in length.
    """
    if content_type in CSV:
        return Invocation(_rows_of_csv(body))
    if content_type in JSON_LINES:
        lines = filter(bytes.strip, body.splitlines())
        return Invocation([_row_of_line(line, number) for number, line in enumerate(lines)])
    request = parse(InvocationRequest, body)
    options = (request.parameters, request.params)
    return Invocation(request.as_rows(), tuple(given for given in options if isinstance(given, dict)))


def _rows_of_csv(body: bytes) -> list[Row]:
    csv.field_size_limit(MAX_BYTES)  # the limit on the body holds, and a text that is too long is refused as such
    try:
        table = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError:
        raise errors.Refusal(400, "the body is not UTF-8; encode it so", "invalid") from None
    except csv.Error as error:
        raise errors.Refusal(400, f"the body is not CSV: {error}", "invalid") from None
    rows = [row for row in table if row]
    return _rows_of_frame(SplitFrame(columns=rows[0] if rows else [], data=rows[1:]))


def _row_of_line(line: bytes, number: int) -> Row:
    try:
        return _as_row(_LINE.validate_json(line))
    except RecursionError:
        is_json = False
    except ValidationError as error:
        is_json = error.errors(include_url=False, include_context=False)[0]["type"] != "json_invalid"
    status, fault = (422, "neither a text nor an object with a text") if is_json else (400, "not JSON")
    line_fault = f"row {number}: the line is {fault}; send a text, or an object with a text, per line"
    raise errors.Refusal(status, line_fault, "invalid", row=number)


def _as_row(value: str | TextRow) -> Row:
    return Row(value) if isinstance(value, str) else Row(value.text, value.text_pair)


def _rows_of_frame(frame: SplitFrame) -> list[Row]:
    if repeated := next((name for name in _READ if frame.columns.count(name) > 1), None):
        fault = f"there are {frame.columns.count(repeated)} columns {repeated}; rename the others"
        raise errors.Refusal(422, fault, "invalid")
    if frame.index is not None and len(frame.index) != len(frame.data):
        fault = f"index has {len(frame.index)} values for {len(frame.data)} rows; send one per row, or no index"
        raise errors.Refusal(422, fault, "invalid")
    for number, values in enumerate(frame.data):
        if len(values) != len(frame.columns):
            reason = f"row {number}: it has {len(values)} values for {len(frame.columns)} columns; send one per column"
            raise errors.Refusal(422, reason, "invalid", row=number)
    columns = {name: [values[place] for values in frame.data] for place, name in enumerate(frame.columns)}
    return _rows_of_columns(columns)


def _rows_of_columns(columns: Mapping[str, Any]) -> list[Row]:
    if "text" not in columns:
        names = ", ".join(columns)[:200] or "none"
        raise errors.Refusal(422, f"there is no column text; there are {names}; rename one", "invalid")
    texts = _values(columns, "text")
    pairs = _values(columns, "text_pair") if "text_pair" in columns else [None] * len(texts)
    if len(pairs) != len(texts):
        raise errors.Refusal(422, "text and text_pair differ in their number of rows; send a pair per row", "invalid")
    return [Row(*row) for row in zip(texts, pairs, strict=True)]


def _values(columns: Mapping[str, Any], name: str) -> list[Any]:
    """Return the values of a column, which need not be texts yet."""
    column = columns[name]
    if isinstance(column, str):
        return [column]
    if isinstance(column, list):
        return column
    raise errors.Refusal(422, f"column {name} is {column!r:.40}; send a list of texts", "invalid")
