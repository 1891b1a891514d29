import codecs
import gzip
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.orc
import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.file_start import FOREIGN, FileStart
from assay.corpus.sources.text_stream import BLOCK


def start_of(tmp_path: Path, content: bytes, name: str = "rows.txt") -> FileStart:
    path = tmp_path / name
    path.write_bytes(content)
    return FileStart.of(path)


def test_file_start_knows_whether_it_is_the_whole_file(tmp_path: Path) -> None:
    assert start_of(tmp_path, b"") == FileStart(tmp_path / "rows.txt", b"", whole=True, packed=False)
    assert start_of(tmp_path, b"x" * BLOCK).whole
    longer = start_of(tmp_path, b"x" * (BLOCK + 1))
    assert (len(longer.content), longer.whole) == (BLOCK, False)


def test_file_start_unpacks_gzip_whatever_the_name_says(tmp_path: Path) -> None:
    start = start_of(tmp_path, gzip.compress(b"a\n" * BLOCK, mtime=0), "rows.csv")
    assert start.packed
    assert start.content == b"a\n" * (BLOCK // 2)
    assert not start.whole


def test_file_start_names_a_damaged_gzip(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"rows\.txt is damaged: .*; copy the file again"):
        start_of(tmp_path, gzip.compress(b"a\n" * 9, mtime=0)[:-4])


def test_is_workbook_needs_the_members_of_one(tmp_path: Path) -> None:
    def archive(member: str) -> FileStart:
        with zipfile.ZipFile(tmp_path / "rows.xlsx", "w") as file:
            file.writestr(member, "x")
        return FileStart.of(tmp_path / "rows.xlsx")

    assert archive("xl/workbook.xml").is_workbook()
    assert not archive("rows.csv").is_workbook()
    assert not start_of(tmp_path, b"PK\x03\x04 and no directory").is_workbook()
    assert not start_of(tmp_path, b"text\n").is_workbook()


def test_is_workbook_is_false_for_a_workbook_inside_gzip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rows.xlsx", "w") as file:
        file.writestr("xl/workbook.xml", "x")
    packed = gzip.compress((tmp_path / "rows.xlsx").read_bytes(), mtime=0)
    start = start_of(tmp_path, packed)
    assert not start.is_workbook()
    with pytest.raises(AssayError, match="is a zip archive; unpack it and name the file in it"):
        start.check_format()


def bson(length: int, kind: int = 0x02) -> bytes:
    return length.to_bytes(4, "little") + bytes([kind]) + b"text\0" + b"x" * (length - 11) + b"\0"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bson(40), True),
        (bson(40) * 3, True),
        (b"\x05\0\0\0\0", True),  # the empty document
        (bson(BLOCK + 100), True),  # its end lies outside the start
        (bson(40)[:-1] + b"x", False),
        (bson(40, kind=0x20), False),
        (bson(40)[:-3], False),  # cut off
        (b"\x04\0\0\0\0", False),
        (b"\xff\xff\xff\x7f\x02", False),
        (b"text", False),
        (b"", False),
        (b'{"text": "a"}\n', False),
    ],
)
def test_is_bson_checks_length_type_and_end_of_the_first_document(
    tmp_path: Path, content: bytes, expected: bool
) -> None:
    assert start_of(tmp_path, content).is_bson() is expected


@pytest.mark.parametrize(("mark", "what", "remedy"), FOREIGN, ids=lambda value: str(value)[:20])
def test_check_format_refuses_every_foreign_format(tmp_path: Path, mark: bytes, what: str, remedy: str) -> None:
    with pytest.raises(AssayError) as caught:
        start_of(tmp_path, mark + b"rest").check_format()
    assert str(caught.value) == f"{tmp_path / 'rows.txt'} is {what}; {remedy}"


@pytest.mark.parametrize("packed", [False, True])
def test_check_format_refuses_a_tar_archive(tmp_path: Path, packed: bool) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    with tarfile.open(tmp_path / "rows.tar", "w:gz" if packed else "w") as archive:
        archive.add(tmp_path / "a.jsonl", "a.jsonl")
    with pytest.raises(AssayError, match=r"rows\.tar is a tar archive; unpack it and name the file in it"):
        FileStart.of(tmp_path / "rows.tar").check_format()


def test_check_format_tells_orc_from_a_table_that_begins_with_these_letters(tmp_path: Path) -> None:
    start_of(tmp_path, b"ORCID,text,label\n").check_format()
    pa.orc.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "rows.orc")
    with pytest.raises(AssayError, match=r"rows\.orc is an ORC file; save it as Parquet$"):
        FileStart.of(tmp_path / "rows.orc").check_format()


@pytest.mark.parametrize("content", [bytes(600), b"ab" + bytes(600), b"a\0\0\0" * 200])
def test_encoding_takes_no_binary_file_for_utf_16(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(AssayError, match="holds NUL characters: it is binary or damaged"):
        start_of(tmp_path, content).encoding(FileSettings())


def test_check_format_accepts_text_that_mentions_a_format(tmp_path: Path) -> None:
    start_of(tmp_path, b"a %PDF in a text\n").check_format()


@pytest.mark.parametrize(
    ("content", "wanted", "encoding"),
    [
        (b"text\n", None, "utf-8"),
        (b"text\n", "UTF8", "utf-8"),
        (codecs.BOM_UTF8 + b"text\n", None, "utf-8"),
        (codecs.BOM_UTF8 + b"text\n", "utf-8-sig", "utf-8"),
        (codecs.BOM_UTF16_LE + "text".encode("utf-16-le"), None, "utf-16"),
        (codecs.BOM_UTF16_BE + "text".encode("utf-16-be"), None, "utf-16"),
        (codecs.BOM_UTF16_BE + "text".encode("utf-16-be"), "UTF-16", "utf-16"),
        (codecs.BOM_UTF32_LE + "text".encode("utf-32-le"), None, "utf-32"),
        (codecs.BOM_UTF32_BE + "text".encode("utf-32-be"), "utf-32", "utf-32"),
        ("text".encode("utf-16-le"), "utf-16-le", "utf-16-le"),
        ("schön".encode("cp1252"), "cp1252", "cp1252"),
        (b"\x1b[1mbold\x1b[0m\f\v\ttext\r\n", None, "utf-8"),  # as a terminal writes it
        (b"x" * 200 + b"\x01\x02", None, "utf-8"),  # a little damage
    ],
)
def test_encoding_is_that_of_the_settings_or_the_mark(
    tmp_path: Path, content: bytes, wanted: str | None, encoding: str
) -> None:
    assert start_of(tmp_path, content).encoding(FileSettings(encoding=wanted)) == encoding


@pytest.mark.parametrize(
    ("content", "wanted", "message"),
    [
        (
            codecs.BOM_UTF8 + b"a",
            "latin-1",
            "begins with the mark of UTF-8, but source.file.encoding is latin-1; leave that",
        ),
        ("text\n".encode("utf-16-le"), None, "looks like UTF-16 without its mark; set .* utf-16-le"),
        ("text\n".encode("utf-16-be"), "utf-8", "looks like UTF-16 without its mark; .* to utf-16-be"),
        ("text\n".encode("utf-16-le"), "UTF16", "begins without the mark of UTF-16; set .* to utf-16-le or utf-16-be"),
        (b"text\n", "utf-32", "begins without the mark of UTF-32; set .* or leave it out if the file is UTF-8"),
        (b"text\0" * 9, None, "holds NUL characters: it is binary or damaged; name a file of text"),
        (b"te\x01xt" * 9, None, "holds control characters: it is binary or damaged; name a file of text"),
    ],
)
def test_encoding_refuses_contradictions_and_binary_files(
    tmp_path: Path, content: bytes, wanted: str | None, message: str
) -> None:
    with pytest.raises(AssayError, match=message):
        start_of(tmp_path, content).encoding(FileSettings(encoding=wanted))


def test_text_holds_whole_lines_of_a_longer_file(tmp_path: Path) -> None:
    line = "ö" * 49 + "\n"  # 99 bytes, so that a block ends inside a line and inside a character
    start = start_of(tmp_path, line.encode() * 1_000)
    assert start.text("utf-8") == line * (BLOCK // 99)


@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        (codecs.BOM_UTF8 + b"text\n", "utf-8", "text\n"),
        ("schön\n".encode("utf-16"), "utf-16", "schön\n"),
        ("schön\n".encode("utf-32"), "utf-32", "schön\n"),
        ("schön\n".encode("cp1252"), "cp1252", "schön\n"),
        (b"a\x81b\n", "cp1252", "a\udc81b\n"),  # a byte without a character
        (b"a\xffb\n" + "schön\n".encode() * 3, "utf-8", "a\udcffb\n" + "schön\n" * 3),
        (b"last line without end", "utf-8", "last line without end"),
        (b"", "utf-8", ""),
    ],
)
def test_text_keeps_invalid_bytes_as_surrogates(tmp_path: Path, content: bytes, encoding: str, text: str) -> None:
    assert start_of(tmp_path, content).text(encoding) == text


def test_text_of_a_single_long_line_is_its_start(tmp_path: Path) -> None:
    assert start_of(tmp_path, b"x" * (BLOCK + 9)).text("utf-8") == "x" * BLOCK


def test_text_refuses_a_file_in_another_encoding_but_not_json(tmp_path: Path) -> None:
    lines = "schön\nübel\ngroß\n".encode("cp1252")
    with pytest.raises(AssayError, match=r"is not UTF-8 \(as Windows-1252 it reads 'schön'\); set source.file"):
        start_of(tmp_path, lines).text("utf-8")
    single = b"plain\n" + "schön\n".encode("cp1252")
    assert start_of(tmp_path, single).text("utf-8") == "plain\nsch\udcf6n\n"
    rows = b"".join(b'{"text": "%s"}\n' % line for line in lines.splitlines())
    assert "sch\udcf6n" in start_of(tmp_path, rows).text("utf-8")
