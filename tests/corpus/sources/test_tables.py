from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources import table_lines, text_stream
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows, open_rows
from assay.corpus.sources.recognition import describe_file


def read(tmp_path: Path, text: str, written: str = "utf-8", name: str = "a.csv", **settings: Any) -> list[Any]:
    path = tmp_path / name
    path.write_bytes(text.encode(written))
    return [row for _, row in iter_rows(path, FileSettings(**settings))]


ROWS = [{"text": "schön, und\n“gut”", "label": "a"}, {"text": "übel", "label": "b"}]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_table_rows_are_equal_in_every_dialect(tmp_path: Path, separator: str, encoding: str, end: str) -> None:
    lines = ["text{0}label", '"schön, und\n“gut”"{0}a', "übel{0}b"]
    text = "".join(line.format(separator) + end for line in lines)

    assert read(tmp_path, text, encoding, encoding="cp1252" if encoding == "cp1252" else None) == ROWS


def test_table_rows_take_the_separator_of_the_sep_line(tmp_path: Path) -> None:
    assert read(tmp_path, "sep=;\r\ntext;label\r\na,b;c\r\n") == [{"text": "a,b", "label": "c"}]


def test_table_rows_ignore_trailing_separators_and_blanks_around_names(tmp_path: Path) -> None:
    text = " text ; label ;;\na;b;;\nc;d\ne;f;g;\n"

    *rows, invalid = read(tmp_path, text)

    assert rows == [{"text": "a", "label": "b"}, {"text": "c", "label": "d"}]
    assert invalid.reason == "wrong number of cells: 4, the header has 2"


def test_table_rows_read_decimal_commas_in_columns_of_numbers(tmp_path: Path) -> None:
    text = "text;price;label\n1,5 litres;1.234,50;1,a\n2,5;-3;2\n;;\n"

    assert read(tmp_path, text) == [
        {"text": "1,5 litres", "price": "1234.50", "label": "1,a"},
        {"text": "2,5", "price": "-3", "label": "2"},
        {"text": "", "price": "", "label": ""},
    ]


def test_table_rows_keep_quotation_marks_of_tab_separated_texts(tmp_path: Path) -> None:
    rows = [{"text": '"open', "label": "a"}, {"text": 'she said "hi"', "label": "b"}]
    text = 'text\tlabel\n"open\ta\nshe said "hi"\tb\n'

    assert read(tmp_path, text, name="a.tsv") == rows
    assert read(tmp_path, 'text\tlabel\n"a ""b"""\tc\n', name="a.tsv") == [{"text": 'a "b"', "label": "c"}]
    assert read(tmp_path, 'text\tlabel\n"a"\tc\n', name="a.tsv", quotes=False) == [{"text": '"a"', "label": "c"}]


def test_table_rows_of_one_column_hold_whole_lines(tmp_path: Path) -> None:
    assert read(tmp_path, "text\nhello, world; again\n") == [{"text": "hello, world; again"}]


def test_table_rows_reject_bytes_that_the_encoding_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text;label\nsch\xf6n;a\nbad \x81;b\n\xfcbel;c\n")

    rows = [row for _, row in iter_rows(path, FileSettings(encoding="windows-1252"))]

    assert [row if isinstance(row, dict) else row.reason for row in rows] == [
        {"text": "schön", "label": "a"},
        "not valid UTF-8",
        {"text": "übel", "label": "c"},
    ]


def test_table_rows_refuse_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (text_stream, table_lines):
        monkeypatch.setattr(module, "LONGEST_LINE", 1 << 20)

    with pytest.raises(AssayError, match=r"a\.csv has a line of 1 MiB or more, line 3; write one row per line"):
        read(tmp_path, "text\na\n" + "x" * (1 << 20))


def test_table_rows_name_a_cut_utf_16_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text;label\na;b\n".encode("utf-16")[:-1])

    with pytest.raises(AssayError, match=r"a\.csv is damaged: .*truncated data; copy the file again"):
        list(iter_rows(path))


CASES: Sequence[tuple[str, bytes, dict[str, Any]]] = [
    ("a.csv", 'sep=;\ntext;n\n"ä\nb";1\nc;2\n\nd;3,5\n'.encode(), {}),
    ("a.csv", b'id,text,n\n1,"a,1\n2,b,2\n3,c,3\n4,"d" e,4\n5,f\n6,"g\nsay "h"\ni",6\n7,j,7\n', {}),
    ("a.csv", b"a,1\nb,2\nc\n", {"columns": {"text": 1, "n": -1}}),
    ("a.csv", 'text;n\r\n"ä\r\nb";1\r\nc;2\r\n'.encode("utf-16"), {}),
    ("a.tsv", "text\tn\nä\t1\nö\t2\nü\t3\n".encode("cp1252"), {"encoding": "cp1252"}),
    ("a.jsonl", '{"text": "ä"}\n\n{"text": "b"}\n{"te'.encode(), {}),
    ("a.jsonl", '{"text": "ä"}\n{"text": "b"}\n'.encode("utf-16"), {}),
    ("a.json", b'[{"text": "a"}, 3, {"text": "b"}]', {}),
    ("a.conll", b"a O\n\nb B-X\nc I-X\n\nd O\n", {}),
]


@pytest.mark.parametrize(("name", "data", "settings"), CASES)
def test_open_rows_resumes_after_every_row(tmp_path: Path, name: str, data: bytes, settings: dict[str, Any]) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    description = describe_file(path, FileSettings(**settings))
    reader = open_rows(path, description)
    places, rows = [reader.place], []
    for numbered in reader:
        rows.append(numbered)
        places.append(reader.place)

    assert len(rows) >= 2
    for index, place in enumerate(places):
        assert list(open_rows(path, description, place)) == rows[index:]


def test_table_rows_reject_a_short_row_before_its_decimal_comma(tmp_path: Path) -> None:
    text = "text;size\n" + "".join(f"row {number};{number},5\n" for number in range(20)) + "short\n"

    *rows, invalid = read(tmp_path, text)

    assert rows[3] == {"text": "row 3", "size": "3.5"}
    assert invalid.reason.startswith("wrong number of cells: 1, the header has 2")


@pytest.mark.parametrize(
    ("text", "columns", "row"),
    [
        ("a,1\nb,2\n", {"text": 1, "label": 2}, {"text": "a", "label": "1"}),
        ("a,1\nb,2\n", {"label": -1}, {"1": "a", "label": "1"}),
        ("sep=;\na;1,5\nb;2\n", {"text": 1}, {"text": "a", "2": "1.5"}),
        ("['EU'],['O']\n['UN'],['O']\n", {"tokens": 1, "tags": 2}, {"tokens": "['EU']", "tags": "['O']"}),
    ],
)
def test_table_rows_take_the_names_of_the_settings(
    tmp_path: Path, text: str, columns: dict[str, int], row: dict[str, str]
) -> None:
    rows = read(tmp_path, text, columns=columns)

    assert rows[0] == row
    assert len(rows) == 2


def test_table_rows_without_names_are_recognised_under_any_name(tmp_path: Path) -> None:
    assert read(tmp_path, "a,1\n", name="a.txt", columns={"text": 1, "label": 2}) == [{"text": "a", "label": "1"}]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": 3}, r"source\.file\.columns\.text is 3, but .*a\.csv has 2 columns; name one of them"),
        ({"text": 1, "label": 1}, r"source\.file\.columns gives two columns of .*a\.csv one name, or one two"),
        ({"2": 1}, r"source\.file\.columns gives two columns of .*a\.csv one name, or one two"),
    ],
)
def test_table_rows_refuse_columns_that_do_not_fit(tmp_path: Path, columns: dict[str, int], message: str) -> None:
    with pytest.raises(AssayError, match=message):
        read(tmp_path, "a,1\nb,2\n", columns=columns)


def test_a_conll_file_needs_its_column_of_tokens(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"columns names no tokens, but .*a\.conll is a CoNLL file; write {tokens: 1"):
        read(tmp_path, "a O\n", name="a.conll", columns={"tags": 2})
    with pytest.raises(AssayError, match=r"columns names no tokens, but .*a\.txt is a CoNLL file; write {tokens: 1"):
        read(tmp_path, "a O\n", name="a.txt", kind="conll", columns={"tags": 2})
