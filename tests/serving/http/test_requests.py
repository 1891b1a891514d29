import json
import re
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from assay.serving.engine import Row
from assay.serving.http.error_responses import Refusal
from assay.serving.http.requests import TextRow, check_rows, parse, request_options
from assay.serving.prediction_options import ALL
from assay.serving.row_texts import MAX_CHARACTERS


class Body(BaseModel):
    """A body with a list of rows and a list of columns."""

    texts: list[str | TextRow] = []
    columns: list[str] = []


def _request(query: str) -> Request:
    return Request({"type": "http", "headers": [], "query_string": query.encode()})


def test_parse_ignores_keys_that_it_does_not_know() -> None:
    body = parse(Body, b'{"texts": ["good", {"text": "bad", "id": 7}], "more": 1}')
    assert body.texts == ["good", TextRow(text="bad")]


@pytest.mark.parametrize(
    ("body", "status", "message", "row"),
    [
        (b"", 400, "the body is not JSON: EOF while parsing", None),
        (b"{'texts': []}", 400, "the body is not JSON: ", None),
        (b"[" * 100_000, 400, "the body is not JSON: recursion limit exceeded", None),
        (b"[]", 422, "body: Input should be an object", None),
        (b'{"texts": 5}', 422, "texts: Input should be a valid array", None),
        (b'{"texts": ["good", 5]}', 422, "row 1: texts.1: ", 1),
        (b'{"texts": ["good", {"body": "a"}]}', 422, "row 1: texts.1.text: Field required", 1),
        (b'{"texts": [{"text": "a", "text_pair": 5}]}', 422, "row 0: texts.0.text_pair: Input should be", 0),
        (b'{"columns": ["text", 5]}', 422, "columns.1: Input should be a valid string", None),
    ],
)
def test_parse_names_the_row_and_the_key_at_fault(body: bytes, status: int, message: str, row: int | None) -> None:
    with pytest.raises(Refusal, match=re.escape(message)) as refusal:
        parse(Body, body)
    assert (refusal.value.status_code, refusal.value.row, refusal.value.reason) == (status, row, "invalid")
    assert "\n" not in refusal.value.detail


def test_parse_takes_the_keys_whose_numbers_are_rows() -> None:
    with pytest.raises(Refusal) as refusal:
        parse(Body, json.dumps({"columns": ["text", 5]}).encode(), ("columns",))
    assert refusal.value.row == 1


@pytest.mark.parametrize(
    ("rows", "pair", "message", "row"),
    [
        ([], False, "there are no rows; send at least one text", None),
        ([Row("good"), Row(" \n")], False, "row 1: text is blank; fill it, or leave the row out", 1),
        ([Row("x" * (MAX_CHARACTERS + 1))], False, f"row 0: text has {MAX_CHARACTERS + 1} characters", 0),
        ([Row("good", "b")], False, "row 0: text_pair is 'b', but this model reads one text; leave it out", 0),
        ([Row("good", "b"), Row("good")], True, "row 1: text_pair is missing; add it", 1),
    ],
)
def test_check_rows_names_the_first_row_that_a_model_cannot_read(
    rows: list[Row], pair: bool, message: str, row: int | None
) -> None:
    with pytest.raises(Refusal, match=re.escape(message)) as refusal:
        check_rows(rows, pair=pair)
    assert (refusal.value.status_code, refusal.value.row) == (422, row)


def test_check_rows_accepts_the_longest_text() -> None:
    check_rows([Row("x" * MAX_CHARACTERS)], pair=False)
    check_rows([Row("good", "x" * MAX_CHARACTERS)], pair=True)


def test_request_options_of_the_query_come_before_those_of_the_body() -> None:
    options = request_options(_request("top_k=2&other=x"), {"top_k": 5, "threshold": 0.5}, None, {"labels_only": True})
    assert (options.top_k, options.threshold, options.labels_only) == (2, 0.5, True)
    assert request_options(_request(""), None) is ALL


@pytest.mark.parametrize(
    ("query", "parameters", "message"),
    [
        ("top_k=0", None, "top_k is '0'; send a number of classes from 1 to"),
        ("", {"threshold": 1.5}, "threshold is 1.5; send a probability from 0 to 1"),
        ("labels_only=perhaps", None, "labels_only is 'perhaps'; send true or false"),
    ],
)
def test_request_options_name_an_option_that_is_out_of_range(
    query: str, parameters: dict[str, Any] | None, message: str
) -> None:
    with pytest.raises(Refusal, match=re.escape(message)) as refusal:
        request_options(_request(query), parameters)
    assert refusal.value.status_code == 422
