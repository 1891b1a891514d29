"""Reading a request: its body within the limits, its JSON as a schema, its rows as the model takes them."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from assay.serving.engine import Row
from assay.serving.http import error_responses as errors
from assay.serving.http.client_connection import CLIENT
from assay.serving.http.server_settings import Limits
from assay.serving.row_texts import text_fault

Schema = TypeVar("Schema", bound=BaseModel)
# What a page of another site may send without being asked first; no such page shall make this server work.
_SENT_BY_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


class TextRow(BaseModel):
    """One row: a text, and for models of pairs the second text. Further keys are left alone."""

    model_config = ConfigDict(frozen=True)

    text: str = Field(description="The text", examples=["Shares of Apple fell after the report."])
    text_pair: str | None = Field(None, description="The second text, for a model of pairs")


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body.

    Raises:
        Refusal: 413 too large, 415 sent by a form, 408 too slow, 499 the caller hung up.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _SENT_BY_FORMS:
        raise errors.Refusal(415, "send the header Content-Type: application/json", "invalid")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:12]) > limits.body:
        raise _too_large(limits)
    try:
        if CLIENT in request.scope.get("state", ()):
            return await _receive(request, limits)
        async with asyncio.timeout(limits.body_seconds):
            return await _receive(request, limits)
    except TimeoutError:
        raise errors.Refusal(408, f"the body was not sent within {limits.body_seconds:g} s", "slow") from None
    except ClientDisconnect:
        raise errors.gone() from None


async def _receive(request: Request, limits: Limits) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.body:
            raise _too_large(limits)
        parts.append(chunk)
    return b"".join(parts)


def _too_large(limits: Limits) -> errors.Refusal:
    return errors.Refusal(413, f"the body is larger than {limits.body} bytes; send several requests", "too_large")


def parse(schema: type[Schema], body: bytes) -> Schema:
    """The body as a schema says.

    Raises:
        Refusal: 400 it is not JSON, 422 it is not what the schema says.
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
    place = [part for part in fault["loc"] if part not in ("str", "list[str]", "TextRow")]
    row = next((part for part in place if isinstance(part, int)), None)
    where = ".".join(map(str, place)) or "body"
    reason = fault["msg"].removeprefix("Value error, ")
    line = f"row {row}: {where}: {reason}" if row is not None else f"{where}: {reason}"
    return errors.Refusal(422, line, "invalid", row=row)


def checked(rows: Sequence[Row], *, pair: bool) -> Sequence[Row]:
    """The rows, if each can be answered.

    Raises:
        Refusal: 422, with the number of the first row that cannot.
    """
    if not rows:
        raise errors.Refusal(422, "there are no rows; send at least one text", "invalid")
    for number, row in enumerate(rows):
        if fault := _fault(row, pair):
            raise errors.Refusal(422, f"row {number}: {fault}", "invalid", row=number)
    return rows


def _fault(row: Row, pair: bool) -> str | None:
    if fault := text_fault(row.text, "text"):
        return fault
    if pair:
        return text_fault(row.text_pair, "text_pair")
    return None if row.text_pair is None else "text_pair is given, but this model reads one text; drop it"
