import json
import re
from typing import Any

import pytest

from assay.serving.engine import Row
from assay.serving.http.error_responses import Refusal
from assay.serving.http.protocols.invocation_bodies import CSV, JSON, JSON_LINES, read_invocation

ROWS = [Row("good", "a"), Row("bad", None)]


def _read(body: Any, kind: str = JSON[0]) -> list[Row]:
    return read_invocation(body if isinstance(body, bytes) else json.dumps(body).encode(), kind).rows


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["n", "text_pair", "text"], "data": [[1, "a", "good"], [2, None, "bad"]]}},
        {"dataframe_records": [{"text": "good", "text_pair": "a", "n": 1}, {"text": "bad"}]},
        {"instances": [{"text": "good", "text_pair": "a"}, "bad"]},
        {"inputs": [{"text": "good", "text_pair": "a"}, {"text": "bad", "text_pair": None}]},
        {"inputs": {"text": ["good", "bad"], "text_pair": ["a", None], "n": [1, 2], "of": "x", "all": 5}},
        {
            "dataframe_split": {
                "index": [7, 7],
                "columns": ["text", "text_pair"],
                "data": [["good", "a"], ["bad", None]],
            }
        },
    ],
)
def test_read_invocation_reads_every_format_of_mlflow(body: Any) -> None:
    assert _read(body) == ROWS


@pytest.mark.parametrize("body", [{"inputs": "good"}, {"inputs": {"text": "good"}}, {"instances": {"text": ["good"]}}])
def test_read_invocation_reads_one_text_alone(body: Any) -> None:
    assert _read(body) == [Row("good")]


def test_read_invocation_keeps_only_options_that_are_objects() -> None:
    body: dict[str, Any] = {"inputs": "good", "params": {"top_k": 1}, "parameters": {"threshold": 0.5}}
    assert read_invocation(json.dumps(body).encode(), "").options == ({"threshold": 0.5}, {"top_k": 1})
    body |= {"parameters": [1], "params": None}
    assert read_invocation(json.dumps(body).encode(), JSON[0]).options == ()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, "send exactly one of dataframe_split, dataframe_records, instances and inputs"),
        ({"inputs": "a", "instances": ["b"]}, 422, "send exactly one of"),
        ({"inputs": {"body": ["a"], "n": ["1"]}}, 422, "there is no column text; there are body, n; rename one"),
        ({"inputs": {"text": 5}}, 422, "column text is 5; send a list of texts"),
        ({"dataframe_split": {"columns": ["text", "text"], "data": []}}, 422, "there are 2 columns text; rename the"),
        (
            {"dataframe_split": {"index": [1], "columns": ["text"], "data": []}},
            422,
            "index has 1 values for 0 rows; send one per row, or no index",
        ),
        ({"inputs": {}}, 422, "there is no column text; there are none; rename one"),
        ({"inputs": {"text": ["a", "b"], "text_pair": "c"}}, 422, "text and text_pair differ in their number of rows"),
        (b"{", 400, "the body is not JSON: EOF"),
        (b"\xff", 400, "the body is not JSON"),
    ],
)
def test_read_invocation_refuses_other_json(body: Any, status: int, message: str) -> None:
    with pytest.raises(Refusal, match=re.escape(message)) as refusal:
        _read(body)
    assert refusal.value.status_code == status


def test_read_invocation_names_the_row_of_a_frame_with_another_number_of_values() -> None:
    frame = {"columns": ["text"], "data": [["good"], ["bad", 1]]}
    message = "row 1: it has 2 values for 1 columns; send one per column"
    with pytest.raises(Refusal, match=message) as refusal:
        _read({"dataframe_split": frame})
    assert refusal.value.row == 1


@pytest.mark.parametrize(
    "body",
    [
        b"text,text_pair\ngood,a\nbad,\n",
        b"\xef\xbb\xbf\r\ntext_pair,text\r\na,good\r\n\r\n,bad",
        b'"text","text_pair"\n"good","a"\n"bad",""',
    ],
)
def test_read_invocation_reads_csv_as_programs_write_it(body: bytes) -> None:
    # CSV has no missing values: an empty cell is an empty text
    assert _read(body, CSV[0]) == [Row("good", "a"), Row("bad", "")]


def test_read_invocation_reads_csv_cells_of_any_length() -> None:
    # The model's limit on texts names them, not that of Python's reader.
    assert _read(b"text\n" + b"a" * 200_000, CSV[0]) == [Row("a" * 200_000)]


def test_read_invocation_keeps_separators_and_lines_within_csv_texts() -> None:
    assert _read('text\n"Süß, 🎉\r\nzwei ""Zeilen"""\n'.encode(), CSV[0]) == [Row('Süß, 🎉\r\nzwei "Zeilen"')]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("text\nSüß\n".encode("cp1252"), 400, "the body is not UTF-8; encode it so"),
        (b'text\n"open', 400, "the body is not CSV: unexpected end of data"),
        (b"", 422, "there is no column text; there are none; rename one"),
        (b"text,text\ngood,bad\n", 422, "there are 2 columns text; rename the others"),
        (b"text;n\ngood;1\n", 422, "there is no column text; there are text;n; rename one"),
        (b"text,n\ngood\n", 422, "row 0: it has 1 values for 2 columns; send one per column"),
    ],
)
def test_read_invocation_refuses_other_csv(body: bytes, status: int, message: str) -> None:
    with pytest.raises(Refusal, match=re.escape(message)) as refusal:
        _read(body, CSV[0])
    assert refusal.value.status_code == status


@pytest.mark.parametrize("kind", JSON_LINES)
def test_read_invocation_reads_json_lines_without_blank_ones(kind: str) -> None:
    assert _read(b'\n{"text": "good", "text_pair": "a", "n": 1}\r\n  \n"bad"', kind) == ROWS
    assert _read(b" \n", kind) == []


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        *((line, 422, "neither a text nor an object with a text") for line in (b"5", b'{"body": "a"}', b'{"text": 5}')),
        *((line, 400, "not JSON") for line in (b"no json", b'{"text": "a"', b"\xff", b"[" * 100_000)),
    ],
)
def test_read_invocation_names_a_line_that_is_no_row(line: bytes, status: int, message: str) -> None:
    # As for other types: 400 for what is not of its type, 422 for what is, and is no row.
    with pytest.raises(Refusal, match=f"row 1: the line is {message}; send a text") as refusal:
        _read(b'"good"\n\n' + line + b'\n"bad"', JSON_LINES[0])
    assert (refusal.value.status_code, refusal.value.row) == (status, 1)
