import gzip
import json
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.recognition import describe_file

LINES = b'{"text": "a"}\n{"text": "b"}\n'
CONLL = b"EU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\n"


def describe(tmp_path: Path, name: str, data: bytes, **settings: object) -> str:
    path = tmp_path / name
    path.write_bytes(data)
    return str(describe_file(path, FileSettings.model_validate(settings)))


@pytest.mark.parametrize(
    ("name", "data", "description"),
    [
        ("a.jsonl", LINES, "JSON lines"),
        ("a.json", LINES, "JSON lines"),
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0), "JSON lines, gzip"),
        ("a.jsonl", gzip.compress(LINES, mtime=0), "JSON lines, gzip"),
        ("a.jsonl.gz", LINES, "JSON lines"),
        ("a.txt", LINES, "JSON lines"),
        ("a.csv", LINES, "JSON lines, not what its name says"),
        ("a.jsonl", b"", "JSON lines, empty"),
        ("a.jsonl", b'{"text": \n{"text": "b"}\n', "JSON lines"),
        ("a.jsonl", b'["a text", {"entities": []}]\n["b", {}]\n', "JSON lines"),
        ("a.json", b'[{"text": "a"}, {"text": "b"}]', "JSON array"),
        ("a.json", b"[]", "JSON array"),
        ("a.json", json.dumps([{"text": "a"}] * 9, indent=2).encode(), "JSON array"),
        ("a.jsonl", b'[{"text": "a"},\n{"text": "b"}]', "JSON array, not what its name says"),
        ("a.json", b'{"version": "1", "data": [{"text": "a"}]}', "JSON, the list 'data'"),
        ("a.json", json.dumps({"n": [1], "data": [{"text": "a"}]}, indent=1).encode(), "JSON, the list 'data'"),
        ("a.json", b'{"n": 1, "data": [\n{"text": "a"},\n{"text": "b"}\n]}\n', "JSON, the list 'data'"),
        ("a.json", b'{"text": \n{"text": "b"}\n', "JSON lines"),
        ("a.json", b'{\n"text": "a"\n}\n{\n"text": "b"\n}\n', "JSON objects, several lines each"),
        ("a.jsonl", b'{"text": "a", "entities": [{"start": 0}]}\n', "JSON lines"),
        ("a.csv", b"text,label\na,b\n", "CSV, separator ','"),
        ("a.csv", b'text;label\n"a;\nb";c\nd, e;f\n', "CSV, separator ';'"),
        ("a.csv", b"sep=|\na|b\nc,d|e\n", "CSV, separator '|'"),
        ("a.csv", b"text\tlabel\na\tb\n", "TSV, separator tab"),
        ("a.tsv.gz", gzip.compress(b"text\tlabel\na\tb\n", mtime=0), "TSV, separator tab, gzip"),
        ("a.txt", b"text\tlabel\na\tb\n", "TSV, separator tab"),
        ("a.tsv", b'text\tlabel\nsay "hi\ta\n"hi\tb\n', "TSV, separator tab, no quotes"),
        ("a.tsv", b'text\tlabel\n"a\tb"\tc\n', "TSV, separator tab"),
        ("a.csv", b"text\nhello, world\nagain; and\n", "CSV, one column"),
        (
            "a.csv",
            "text;n\nschön;1,5\nübel;1.002,25\nx;3\n".encode("utf-16"),
            "CSV, separator ';', decimal comma, UTF-16",
        ),
        ("a.csv", b"\xef\xbb\xbftext,label\na,b\n", "CSV, separator ','"),
        ("a.jsonl", b"text,label\na,b\nc,d\n", "CSV, separator ',', not what its name says"),
        ("a.conll", CONLL, "CoNLL, tokens in column 1, tags in column 3 of 3"),
        ("a.txt", CONLL, "CoNLL, tokens in column 1, tags in column 3 of 3"),
        ("a.tsv", b"Empire\tB-loc\n[\tO\n\t\n#tag\tO\n", "CoNLL, tokens in column 1, tags in column 2 of 2"),
        ("a.txt", b"[ O\nEmpire B-loc\n", "CoNLL, tokens in column 1, tags in column 2 of 2"),
        ("a.iob", b"Acme ORG\nopens O\n", "CoNLL, tokens in column 1, tags in column 2 of 2"),
        (
            "a.tsv",
            b"#\thttp://x.org\t[2009]\n1\tSchartau\tB-PER\tO\n2\tsagt\tO\tO\n",
            "CoNLL, tokens in column 2, tags in column 3 of 4",
        ),
        (
            "a.conll",
            b"-DOCSTART- -X- O\n\n" + CONLL + b"\n-DOCSTART- -X- O\n\n" + CONLL,
            "CoNLL, tokens in column 1, tags in column 3 of 3, groups by -DOCSTART-",
        ),
    ],
)
def test_describe_file_names_what_the_content_is(tmp_path: Path, name: str, data: bytes, description: str) -> None:
    assert describe(tmp_path, name, data) == description


@pytest.mark.parametrize(
    ("name", "data", "settings", "description"),
    [
        (
            "a.csv",
            "text;n\nschön;1\nübel;2\n".encode("cp1252"),
            {"encoding": "cp1252"},
            "CSV, separator ';', Windows-1252 (set)",
        ),
        (
            "a.csv",
            "text;n\nschön;1\n".encode("utf-16-le"),
            {"encoding": "utf-16-le"},
            "CSV, separator ';', utf-16-le (set)",
        ),
        ("a.csv", b"text,label\na,b\n", {"encoding": "utf8"}, "CSV, separator ',', UTF-8 (set)"),
        ("a.csv", b"text~label\na~b\n", {"separator": "~"}, "CSV, separator '~'"),
        ("a.csv", b"text;n\na;1\nb;1.000\n", {"decimal": ","}, "CSV, separator ';', decimal comma"),
        ("a.csv", b"text;n\na;1,5\n", {"decimal": "."}, "CSV, separator ';'"),
        ("a.dat", b"text\nhello world\n", {"kind": "table"}, "CSV, one column"),
        ("a.txt", b"Acme ORG\nopens O\n", {"kind": "conll"}, "CoNLL, tokens in column 1, tags in column 2 of 2"),
        (
            "a.conll",
            CONLL,
            {"columns": {"tokens": 1, "pos": 2, "tags": -1}},
            "CoNLL, tokens in column 1, pos in column 2, tags in column 3 of 3",
        ),
        ("a.json", b'{"a": {"b": [{"text": 1}]}}', {"rows": "a.b"}, "JSON, the list 'a.b'"),
        ("a.json", b'{\n"text": "a",\n"entities": [{}]}', {"rows": "."}, "JSON objects, several lines each"),
    ],
)
def test_describe_file_follows_the_settings(
    tmp_path: Path, name: str, data: bytes, settings: dict[str, object], description: str
) -> None:
    assert describe(tmp_path, name, data, **settings) == description


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "is empty; name a file with rows"),
        ("a.csv", b"\n \n", "holds only blank lines; name a file with rows"),
        ("a.csv", b"PK\x03\x04....", "is a zip archive; unpack it and name the file in it"),
        ("a.jsonl", b"%PDF-1.7\n", "is a PDF; name a file of rows"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1", "is an Excel file of before 2007; save it as .xlsx or as CSV"),
        ("a.csv", bytes(range(1, 256)) * 3, "holds control characters: it is binary or damaged; name a file of text"),
        ("a.csv", b"text,\0\0\0\n" * 9, "holds NUL characters: it is binary or damaged; name a file of text, Parquet"),
        (
            "a.csv",
            "text;a\nb;c\n".encode("utf-16-be"),
            "set source.file.encoding (as an option: --encoding) to utf-16-be",
        ),
        (
            "a.csv",
            "text;label\nschön;a\nübel;b\n".encode("cp1252"),
            "is not UTF-8 (as Windows-1252 it reads 'schön;a'); set source.file.encoding (as an option: --encoding), "
            "such as windows-1252",
        ),
        (
            "a.parquet",
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a pointer of Git LFS; fetch the file itself",
        ),
        ("a.csv", b"<!DOCTYPE html>\n<title>Sign in</title>\n", "is a web page; download the file itself"),
        ("a.xml", b'<?xml version="1.0"?>\n<a/>\n', "is an XML file; write its rows as JSON lines or CSV"),
        ("a.arrow.gz", gzip.compress(b"ARROW1\0\0", mtime=0), "is Arrow compressed by gzip; unpack it"),
        ("a.parquet.gz", gzip.compress(b"PAR1", mtime=0), "is Parquet compressed by gzip; unpack it"),
        ("a.parquet", b"text,label\n", "is damaged or not Parquet: it does not begin with PAR1; write it again"),
        ("a.csv", b"text,label,text\n", "has the column 'text' more than once; its first line must name each column"),
        ("a.csv", b"text,,label,\na,b,c,\n,,,", None),
        ("a.csv", b"text,,,label\n", "has several columns without a name; its first line must name each column once"),
        (
            "a.txt",
            b"hello there\nthis is text\n",
            "is of an unknown kind: it begins with 'hello there'; set source.file",
        ),
        (
            "a.md",
            b"Small inputs, of today\nThey fail, still\n",
            "is of an unknown kind: it begins with 'Small inputs, of",
        ),
        ("a.jsonl", b"hello\n", "holds no JSON objects: it begins with 'hello'; write one object per row"),
        (
            "a.conll",
            b"just text\nand three words\n" * 3,
            "is not a CoNLL file: its lines have no common number of columns",
        ),
        ("a.json", b'{"a": [{"x": 1}], "b": [{"y": 1}]}', "holds the lists a, b; name one in source.file.rows"),
        ("a.json", b'{"a": {"x": 1}}', "holds an object with no list of rows; its fields are a; name the list in"),
    ],
)
def test_describe_file_refuses_in_one_line_with_the_remedy(
    tmp_path: Path, name: str, data: bytes, message: str | None
) -> None:
    if message is None:
        assert describe(tmp_path, name, data) == "CSV, separator ','"
        return
    with pytest.raises(AssayError) as error:
        describe(tmp_path, name, data)
    assert str(error.value).startswith(f"{tmp_path / name} ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (
            b"\xef\xbb\xbftext,a\n",
            {"encoding": "cp1252"},
            "begins with the mark of UTF-8, but source.file.encoding is cp",
        ),
        (CONLL, {"columns": {"tokens": 1, "tags": 4}}, "source.file.columns.tags is 4, but"),
        (b"text,label\na,b,c\n", {"kind": "conll"}, "is not a CoNLL file"),
    ],
)
def test_describe_file_refuses_settings_that_the_file_contradicts(
    tmp_path: Path, data: bytes, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(AssayError, match=message):
        describe(tmp_path, "a.txt", data, **settings)


def test_describe_file_refuses_missing_files_and_folders_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)

    with pytest.raises(AssayError, match=r"b\.jsonl is not a file; check the path"):
        describe_file(tmp_path / "b.jsonl")
    with pytest.raises(
        AssayError, match=r"is neither a JointBERT nor a brat folder: it holds a\.jsonl; name its files, such as .*\*"
    ):
        describe_file(tmp_path)


def test_describe_file_decides_by_the_first_rows_of_a_large_file(tmp_path: Path) -> None:
    text = "text;label\n" + "".join(f'"row {number}; of\nmany";{number % 3}\n' for number in range(20_000))

    assert describe(tmp_path, "a.csv", text.encode()) == "CSV, separator ';'"
    assert describe(tmp_path, "a.json", json.dumps([{"text": "a" * 99}] * 9_999).encode()) == "JSON array"
    assert describe(tmp_path, "a.jsonl", json.dumps({"text": "a" * 99_999}).encode()) == "JSON lines"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#begin document (a); part 000\na 0 0 EU NN * - - - A (ORG) -\n", "is CoNLL-2012; write the word, a tab"),
        (
            '#TYPE System.Object\n"text","label"\n"Fine","good"\n',
            "is a table below a line of types; remove its first line",
        ),
        ("#FORMAT=WebAnno TSV 3.3\n\n#Text=A\n1-1\t0-1\tA\t_\t\n", "is WebAnno TSV; export CoNLL 2002"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.tsv"])
def test_describe_file_names_the_remedy_for_texts_that_are_not_read(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(AssayError, match=message):
        describe(tmp_path, name, text.encode())


@pytest.mark.parametrize(
    "line", ["__label__good,A fine radio", "__label__good, A fine radio", "__label__a,__label__b B"]
)
@pytest.mark.parametrize(("name", "settings"), [("a.txt", {}), ("a.csv", {}), ("a.txt", {"kind": "fasttext"})])
def test_describe_file_refuses_labels_that_end_at_a_separator(
    tmp_path: Path, line: str, name: str, settings: dict[str, object]
) -> None:
    lines = f"{line}\n" * 20
    with pytest.raises(AssayError, match=r"has ',' after its labels, such as __label__.*; write a blank there"):
        describe(tmp_path, name, lines.encode(), **settings)
    with pytest.raises(AssayError, match=r"has ';' after its labels, .* column names such as label;text as the first"):
        describe(tmp_path, name, lines.replace(",", ";").encode(), **settings)
    named = describe(tmp_path, "b.csv", f"label,text\n{lines}".encode())
    assert named == "CSV, separator ','"


@pytest.mark.parametrize("line", ["__label__good A fine radio", "__label__good A fine radio, and a lamp"])
def test_describe_file_names_the_kind_of_fasttext_that_is_named_as_a_table(tmp_path: Path, line: str) -> None:
    with pytest.raises(
        AssayError, match=r"begins with '__label__good A fine radio' .*; set source\.file\.kind to fast"
    ):
        describe(tmp_path, "a.csv", f"{line}\n".encode() * 20)
    assert describe(tmp_path, "a.csv", f"{line}\n".encode() * 20, kind="fasttext").startswith("fastText")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "__label__good A fine radio\r__label__bad A broken radio\r"),
        ("a.conll", "Anna B-PER\rleft O\r\rOslo B-LOC\r"),
        ("b.txt", "Anna B-PER\rleft O\r\rOslo B-LOC\r"),
    ],
)
def test_line_ends_of_old_macs_are_refused_where_lines_are_rows(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())

    with pytest.raises(AssayError, match=r"ends its lines with a carriage return alone, .* line ends of Unix"):
        describe_file(tmp_path / name)


def test_a_table_may_have_line_ends_of_old_macs(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\rA fine radio,good\rA broken radio,bad\r")

    assert str(describe_file(tmp_path / "a.csv")).startswith("CSV")
