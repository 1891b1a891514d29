import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import find_files, have_line_of_names, iter_rows, read_files

ROWS: list[dict[str, Any]] = [{"text": "one", "label": "a"}, {"text": "zwei, ü", "label": "b"}]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
CSV = 'text,label\none,a\n"zwei, ü",b\n'.encode()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rows.jsonl", JSONL),
        ("rows.jsonl.gz", JSONL),
        ("ROWS.JSONL", b"\xef\xbb\xbf" + JSONL.replace(b"\n", b"\r\n")),
        ("rows.csv", CSV),
        ("rows.csv.gz", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n")),
    ],
)
def test_iter_rows_gives_equal_rows_for_every_text_format(tmp_path: Path, name: str, data: bytes) -> None:
    assert [row for _, row in iter_rows(write(tmp_path / name, data))] == ROWS


def test_iter_rows_numbers_parquet_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS * 1500), path)

    assert list(iter_rows(path)) == list(enumerate(ROWS * 1500, start=1))


def test_iter_rows_skips_only_invalid_jsonl_lines(tmp_path: Path) -> None:
    deep = b"[" * 100_000
    lines = [b'{"text": "caf\xe9"}', b'{"text": ', b"[1]", b"", deep, b'{"text": "good"}']
    path = write(tmp_path / "rows.jsonl", b"\n".join(lines))

    rows = dict(iter_rows(path))

    reasons = {row.id: row.reason for row in rows.values() if isinstance(row, InvalidRow)}
    assert reasons["rows.jsonl:1"] == "not valid UTF-8: byte 13"
    assert reasons["rows.jsonl:2"].startswith("not valid JSON: ")
    assert reasons["rows.jsonl:3"] == "not a JSON object: list"
    assert reasons["rows.jsonl:5"].startswith("not valid JSON: ")
    assert rows[6] == {"text": "good"}
    assert len(rows) == 5


def test_iter_rows_skips_only_invalid_csv_rows(tmp_path: Path) -> None:
    data = b'text,label\ncaf\xe9,a\none,a,b\none\n\n"two\nlines",c\n'
    path = write(tmp_path / "rows.csv", data)

    rows = [row for _, row in iter_rows(path)]

    assert [row.reason for row in rows if isinstance(row, InvalidRow)] == [
        "not valid UTF-8",
        "wrong number of cells: 3, the header has 2",
        "wrong number of cells: 1, the header has 2",
    ]
    assert rows[-1] == {"text": "two\nlines", "label": "c"}


@pytest.mark.parametrize(
    ("rest", "line", "number"),
    [
        (b'two,b\n"three,c\nfour,d\n', 3, 3),
        (b'"two\nlines",b\r\nfour,"', 4, 4),
        (b'"two\nlines","b\n\nsix', 3, 5),
    ],
)
def test_iter_rows_rejects_an_unclosed_quote(tmp_path: Path, rest: bytes, line: int, number: int) -> None:
    path = write(tmp_path / "rows.csv", b"text,label\n" + rest)

    [(found, invalid)] = [(found, row) for found, row in iter_rows(path) if not isinstance(row, dict)]

    assert invalid.reason == f"a quotation mark is not closed: it opens in line {line}"
    assert (invalid.id, found) == (f"rows.csv:{number}", number)


@pytest.mark.parametrize("rest", [b'one,"a"', b'one,"a"\n', b'one,a"', b'one,"a\nb"\r\n\r\n'])
def test_iter_rows_takes_a_quote_closed_at_the_end_of_the_file(tmp_path: Path, rest: bytes) -> None:
    [(_, row)] = iter_rows(write(tmp_path / "rows.csv", b"text,label\n" + rest))
    assert isinstance(row, dict)


def test_iter_rows_reads_a_cell_of_a_megabyte(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", b"text\n" + b"x" * 1_000_000 + b"\n")

    assert [len(row["text"]) for _, row in iter_rows(path) if isinstance(row, dict)] == [1_000_000]


def test_iter_rows_skips_only_invalid_utf8_in_parquet(tmp_path: Path) -> None:
    column = pa.array([b"good", b"caf\xe9", b"fine"]).view(pa.string())
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": column}), path)

    rows = [row for _, row in iter_rows(path)]

    assert rows == [{"text": "good"}, InvalidRow("rows.parquet:2", "not valid UTF-8", None), {"text": "fine"}]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("rows.txt", b"", r"rows\.txt is empty; name a file with rows"),
        ("rows.parquet", b"PAR1 no", r"rows\.parquet is damaged or not Parquet"),
        ("rows.csv", b"", r"rows\.csv is empty; name a file with rows"),
        ("rows.csv", b",,\none,a,b\n", r"rows\.csv needs a first line that names each column once"),
        ("rows.csv", b'text,"label\none,a\n', r"rows\.csv: a quotation mark is not closed: it opens in line 1; close"),
        ("rows.csv", b"text,text\n", r"has the column 'text' more than once; its first line must name each"),
    ],
)
def test_iter_rows_rejects_unreadable_files(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(AssayError, match=message):
        list(iter_rows(write(tmp_path / name, data)))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file whose first byte cannot be read")
def test_iter_rows_names_a_file_with_a_read_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.symlink_to("/proc/self/mem")

    with pytest.raises(AssayError, match=r"rows\.jsonl cannot be read: Input/output error; check its permissions"):
        list(iter_rows(path))


def test_iter_rows_names_a_truncated_gzip(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(JSONL * 1000)[:-20])

    with pytest.raises(AssayError, match=r"rows\.jsonl\.gz is damaged: .*; copy the file again"):
        list(iter_rows(path))


def test_iter_rows_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"nothing\.jsonl is not a file"):
        list(iter_rows(tmp_path / "nothing.jsonl"))


def test_find_files_resolves_globs_and_splits(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "other.csv"):
        write(tmp_path / name, CSV if name.endswith("csv") else JSONL)

    files = find_files({str(tmp_path / "*.jsonl"): "train", str(tmp_path / "other.csv"): "all"})
    documents = [document for document in read_files(files) if isinstance(document, Document)]

    assert [(document.position, document.split_name) for document in documents] == [
        ("a:1", "train"),
        ("a:2", "train"),
        ("b:1", "train"),
        ("b:2", "train"),
        ("other:2", None),
        ("other:3", None),
    ]


def test_read_files_uses_paths_for_files_of_one_stem(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "rows.jsonl", JSONL)

    documents = read_files(find_files({str(tmp_path / "*" / "rows.jsonl"): "all"}))

    assert len({document.position for document in documents if isinstance(document, Document)}) == 4


def test_find_files_rejects_a_glob_without_matches(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"source\.paths names .*there is no such file"):
        find_files({str(tmp_path / "*.jsonl"): "all"})


def test_find_files_names_the_folder_of_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssayError, match=rf"'rows\.csv', but there is no such file below {tmp_path}; check"):
        find_files({"rows.csv": "all"})


def test_find_files_leaves_out_locks_of_open_files(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", b"text\nfine\n")
    write(tmp_path / "~$rows.csv", b"\x05user")
    assert list(find_files({str(tmp_path / "*.csv"): "all"})) == [tmp_path / "rows.csv"]


def test_find_files_rejects_a_file_in_two_splits(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", JSONL)

    with pytest.raises(AssayError, match=r"a\.jsonl as train and as test; a file has one split"):
        find_files({str(tmp_path / "*.jsonl"): "train", str(tmp_path / "a.jsonl"): "test"})


def test_iter_rows_rejects_duplicate_parquet_columns(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([2])], names=["text", "n", "n"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(AssayError, match=r"rows\.parquet has the column 'n' more than once"):
        list(iter_rows(tmp_path / "rows.parquet"))


@pytest.mark.parametrize(
    ("name", "content", "settings", "expected"),
    [
        ("a.csv", "text,label\na,b\n", {}, True),
        ("a.csv", "text,label\na,b\n", {"columns": {"text": 1}}, False),
        ("a.jsonl", '{"text": "text", "label": "label"}\n', {}, False),
    ],
)
def test_have_line_of_names_is_about_tables(
    tmp_path: Path, name: str, content: str, settings: dict[str, Any], expected: bool
) -> None:
    (tmp_path / name).write_text(content)

    assert have_line_of_names([tmp_path / name], FileSettings(**settings)) is expected
