from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources import text_stream
from assay.corpus.sources.file_description import FileDescription
from assay.corpus.sources.lines import CountedRows, JsonLines, LinePosition, NumberedRow, as_row, unwrapped

LINES = FileDescription(kind="jsonl")


def lines(tmp_path: Path, content: bytes, start: LinePosition | None = None, **options: Any) -> JsonLines:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    return JsonLines(path, LINES, start or LinePosition(), **options)


def test_json_lines_are_numbered_and_blank_ones_skipped(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"a": "\xc3\xbc"}\n["text", {"b": 2}]'
    assert list(lines(tmp_path, content)) == [(1, {"a": 1}), (4, {"a": "ü"}), (5, {"text": "text", "b": 2})]


def test_json_lines_resume_after_any_row(tmp_path: Path) -> None:
    content = b'{"a": 1}\n\n{"a": 2}\n{"a": "\xf0\x9f\x98\x80"}\n{"a": 4}'
    whole = list(lines(tmp_path, content))
    for count in range(len(whole) + 1):
        reader = lines(tmp_path, content)
        rows = iter(reader)
        first = [next(rows) for _ in range(count)]
        assert first + list(lines(tmp_path, content, reader.place)) == whole


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": "\xff"}', "not valid UTF-8: byte 7"),
        (b'{"a": }', "not valid JSON: Expecting value: line 1 column 7 (char 6)"),
        (b"[" * 100_000, "not valid JSON: "),
        (b"7", "not a JSON object: int"),
        (b'["text"]', "not a JSON object: list"),
        (b"null", "not a JSON object: NoneType"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_json_lines_lose_only_the_row_that_cannot_be_read(tmp_path: Path, line: bytes, reason: str) -> None:
    (number, row), good = lines(tmp_path, line + b'\n{"a": 1}\n')
    assert (number, good) == (1, (2, {"a": 1}))
    assert isinstance(row, InvalidRow)
    assert row.id == "rows.jsonl:1"
    assert row.reason.startswith(reason)


def test_json_lines_refuse_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_stream, "LONGEST_LINE", 20)
    monkeypatch.setattr("assay.corpus.sources.lines.LONGEST_LINE", 20)
    with pytest.raises(AssayError, match=r"rows\.jsonl has a line of .* or more, line 2; write one row per line"):
        list(lines(tmp_path, b'{"a": 1}\n{"a": "' + b"x" * 99))


def test_json_lines_decode_extended_json_on_request(tmp_path: Path) -> None:
    content = b'{"n": {"$numberLong": "7"}}\n{"price": "5$"}\n{"n": {"$oid": "zz"}}\n'
    assert next(iter(lines(tmp_path, content)))[1] == {"n": {"$numberLong": "7"}}
    (_, first), (_, second), (_, third) = lines(tmp_path, content, unwrap=True)
    assert (first, second) == ({"n": 7}, {"price": "5$"})
    assert isinstance(third, InvalidRow)
    assert third.reason.startswith("not valid extended JSON: ")


def test_as_row_takes_objects_and_pairs_of_text_and_object() -> None:
    assert as_row("r", {"a": 1}) == {"a": 1}
    assert as_row("r", ["text", {"entities": []}]) == {"text": "text", "entities": []}
    assert isinstance(as_row("r", [{"entities": []}, "text"]), InvalidRow)
    assert isinstance(as_row("r", ["text", {}, {}]), InvalidRow)


def test_unwrapped_leaves_invalid_rows_alone() -> None:
    invalid = InvalidRow("r", "not valid UTF-8", None)
    assert unwrapped("r", invalid) is invalid


def test_counted_rows_read_the_earlier_rows_again_to_resume() -> None:
    numbered: list[NumberedRow] = [(number, {"n": number}) for number in (1, 2, 5)]
    reader = CountedRows(lambda: numbered)
    rows = iter(reader)
    assert [next(rows), next(rows)] == numbered[:2]
    assert reader.place == LinePosition(0, 2)
    assert list(CountedRows(lambda: numbered, reader.place)) == numbered[2:]
    assert list(CountedRows(lambda: numbered, LinePosition(0, 3))) == []
