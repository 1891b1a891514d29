import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources import json_values
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows

ROWS: list[dict[str, Any]] = [
    {"text": 'one \\ "two" ]}, [{', "meta": {"n": 1, "items": [{"a": None}]}},
    {"text": "grün 😀", "n": -12.5e3, "ok": True},
]


def read(tmp_path: Path, data: bytes, **settings: Any) -> list[Any]:
    path = tmp_path / "rows.json"
    path.write_bytes(data)
    return list(iter_rows(path, FileSettings(**settings)))


@pytest.mark.parametrize("indent", [None, 0, 4])
@pytest.mark.parametrize("ascii", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_rows_of_an_array_are_numbered(tmp_path: Path, indent: int | None, ascii: bool, encoding: str) -> None:
    data = json.dumps(ROWS, indent=indent, ensure_ascii=ascii).encode(encoding)

    assert read(tmp_path, data) == list(enumerate(ROWS, start=1))


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ({"version": 1, "tags": ["a"], "data": ROWS, "end": {}}, None),
        ({"a": ROWS[:1], "data": ROWS}, "data"),
        ({"a": [{}], "result": {"n": [{}], "items": ROWS}}, "result.items"),
    ],
)
def test_json_rows_of_an_object_are_those_of_its_list(tmp_path: Path, value: dict[str, Any], rows: str | None) -> None:
    for indent in (None, 1):
        data = json.dumps(value, indent=indent).encode()
        assert [row for _, row in read(tmp_path, data, rows=rows)] == ROWS


def test_json_rows_of_a_long_list_of_texts_with_annotations(tmp_path: Path) -> None:
    pairs = [[f"row {number}", {"entities": [[0, 3, "A"]]}] for number in range(9_999)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"classes": ["A"], "annotations": pairs}))

    rows = [row for _, row in iter_rows(path)]

    assert rows[-1] == {"text": "row 9998", "entities": [[0, 3, "A"]]}
    assert len(rows) == 9_999


def test_json_rows_name_the_list_in_a_field_of_a_long_object(tmp_path: Path) -> None:
    examples = [{"text": f"row {number}"} for number in range(9_999)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"rasa_nlu_data": {"examples": examples, "regex": []}}))

    with pytest.raises(AssayError, match=r"set source\.file\.rows to 'rasa_nlu_data\.examples'"):
        list(iter_rows(path))
    assert len(list(iter_rows(path, FileSettings(rows="rasa_nlu_data.examples")))) == 9_999


def test_json_rows_of_objects_one_after_the_other_are_these(tmp_path: Path) -> None:
    data = "\n".join(json.dumps(row, indent=2) for row in ROWS).encode()

    assert [row for _, row in read(tmp_path, data)] == ROWS
    assert [row for _, row in read(tmp_path, json.dumps(ROWS[0], indent=2).encode(), rows=".")] == ROWS[:1]


def test_json_rows_reject_items_that_are_no_objects_and_invalid_bytes(tmp_path: Path) -> None:
    *_, pair, number, invalid, last = read(tmp_path, b'[{"a": 1}, ["b", {"entities": []}], 7, {"a": "\xff"}, {"a": 2}]')

    assert pair == (2, {"text": "b", "entities": []})
    assert number == (3, InvalidRow("rows.json:3", "not a JSON object: int", 7))
    assert (invalid[0], invalid[1].reason) == (4, "not valid UTF-8")
    assert last == (5, {"a": 2})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[{"a": 1},\n {"a": 2 "b": 3}]', "in line 2, column 10: Expecting ',' delimiter"),
        (b'[{"a": 1},\n {"a": 2}', "in line 2, column 10 (the file ends there): expected , or ]"),
        (b'[{"a": 1},\n {"a": ', "in line 2, column 8 (the file ends there): Expecting value"),
        (b'[{"a": 1},\n\n {"a": "x', "in line 3, column 8: Unterminated string starting at"),
        (b'[{"a": 1}]\n]', "in line 2, column 1: more follows after the end of its value"),
        (b'[{"a": 1}\n {"a": 2}]', "in line 2, column 2: expected , or ]"),
        (b'[\n{"a": nul}]', "in line 2, column 7: Expecting value"),
    ],
)
def test_json_rows_name_line_and_column_of_a_fault(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(AssayError) as error:
        read(tmp_path, data)
    assert str(error.value) == f"{tmp_path}/rows.json is not valid JSON {message}; correct it, or export again"


@pytest.mark.parametrize("at", [100, 20_000])
def test_json_rows_name_a_fault_behind_many_blocks(tmp_path: Path, at: int) -> None:
    items = [f'{{"text": "row {number} is this"}}' for number in range(at)]
    data = "[\n" + ",\n".join([*items, "{'text': 1}", *items]) + "\n]"

    with pytest.raises(AssayError, match=rf"in line {at + 2}, column 2: Expecting property name enclosed in double"):
        read(tmp_path, data.encode())


def test_json_rows_refuse_other_lists_and_missing_ones(tmp_path: Path) -> None:
    far = {"data": [{"text": "x" * 99}] * 2_000, "more": [{"a": 1}]}

    with pytest.raises(AssayError, match=r"holds the lists data, more; name one in source\.file\.rows"):
        read(tmp_path, json.dumps(far).encode())
    with pytest.raises(AssayError, match=r"holds an object with no list 'rows'; its fields are data, more; name the"):
        read(tmp_path, json.dumps(far).encode(), rows="rows")
    assert read(tmp_path, b'{"data": []}', rows="data") == []


def test_json_rows_take_memory_of_one_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"text": f"row {number} " * 20} for number in range(40_000)]))
    tracemalloc.start()
    count = sum(1 for _ in iter_rows(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 40_000
    assert path.stat().st_size > 8_000_000
    assert peak < 2_000_000


def test_json_rows_refuse_a_value_without_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "LARGEST_VALUE", 1 << 20)

    with pytest.raises(AssayError, match=r"holds a value of more than 1 MiB, from line 2 on; split it into rows"):
        read(tmp_path, b'[{"a": 1},\n{"text": "' + b"x" * (3 << 20))


@pytest.mark.parametrize("block", [1, 2, 3, 7, 16])
def test_json_rows_are_equal_whatever_the_end_of_a_block_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(json_values, "FIRST_BLOCK", block)
    value = {"n": -12345.5e2, "name": "grün", "ok": None, "data": [*ROWS, 123456, 7]}

    *rows, number, digit = read(tmp_path, json.dumps(value, ensure_ascii=False).encode(), rows="data")

    assert [row for _, row in rows] == ROWS
    assert [one[1].reason for one in (number, digit)] == ["not a JSON object: int"] * 2
    assert (number[1].row, digit[1].row) == (123456, 7)


def test_json_rows_leave_out_long_lists_without_objects(tmp_path: Path) -> None:
    value = {"ids": list(range(200_000)), "none": [], "data": ROWS}

    assert [row for _, row in read(tmp_path, json.dumps(value).encode())] == ROWS


def test_json_rows_name_the_missing_list_of_an_empty_object(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"holds an object with no list 'data'"):
        read(tmp_path, b"{}", rows="data")
