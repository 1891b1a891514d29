import codecs
import gzip
import io
import os
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources import text_stream
from assay.corpus.sources.text_stream import BLOCK, bounded_lines, lines_of, open_stream

TEXT = "schöne Zeile 😀\nzweite\n" * 9_000  # several blocks in every encoding


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "rows.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "UTF-16LE", "utf-32", "gb18030"])
def test_open_stream_reads_utf_8_whatever_the_file_holds(tmp_path: Path, encoding: str, packed: bool) -> None:
    content = TEXT.encode(encoding)
    path = written(tmp_path, gzip.compress(content, 1, mtime=0) if packed else content)
    with open_stream(path, packed=packed, encoding=encoding) as file:
        assert file.read().decode() == TEXT


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_open_stream_seeks_by_offsets_of_the_converted_content(tmp_path: Path, encoding: str, packed: bool) -> None:
    text = "schöne Zeile\nzweite\n" * 9_000
    content = text.encode(encoding)
    path = written(tmp_path, gzip.compress(content, 1, mtime=0) if packed else content)
    converted = text.encode()
    with open_stream(path, packed=packed, encoding=encoding) as file:
        for offset in (BLOCK + 7, 3, 2 * BLOCK, 0, len(converted), 99):
            file.seek(offset)
            assert file.tell() == offset
            assert file.readline() == converted[offset:].partition(b"\n")[0] + b"\n" * (offset < len(converted))


@pytest.mark.parametrize("encoding", ["utf-16-le", "UTF-16-LE", "utf_16_le", "U16"])
def test_open_stream_leaves_lone_surrogates_to_the_row_that_holds_them(tmp_path: Path, encoding: str) -> None:
    mark = codecs.BOM_UTF16_LE if encoding == "U16" else b""
    path = written(tmp_path, mark + "a\udc00b\nc\n".encode("utf-16-le", "surrogatepass"))
    with open_stream(path, encoding=encoding) as file:
        first, second = file.readlines()
    assert second == b"c\n"
    with pytest.raises(UnicodeDecodeError):
        first.decode()


def test_open_stream_leaves_bytes_without_a_character_to_the_row_that_holds_them(tmp_path: Path) -> None:
    with open_stream(written(tmp_path, b"a\x81b\nc\n"), encoding="cp1252") as file:
        assert file.readlines() == [b"a\x81b\n", b"c\n"]


@pytest.mark.parametrize(
    ("content", "packed", "encoding", "message"),
    [
        (gzip.compress(b"a" * 99, mtime=0)[:-9], True, "utf-8", "is damaged: .*; copy the file again"),
        (b"no gzip", True, "utf-8", "is damaged: Not a gzipped file .*; copy the file again"),
        (gzip.compress(os.urandom(99), mtime=0)[:20] + b"x" * 99, True, "utf-8", "is damaged: .*; copy the file again"),
        ("abc".encode("utf-16")[:-1], False, "utf-16", "is damaged: .*truncated data; copy the file again"),
    ],
    ids=["cut gzip", "no gzip", "broken gzip", "cut UTF-16"],
)
def test_open_stream_names_a_damaged_file(
    tmp_path: Path, content: bytes, packed: bool, encoding: str, message: str
) -> None:
    with (
        pytest.raises(AssayError, match=rf"rows\.txt {message}") as caught,
        open_stream(written(tmp_path, content), packed=packed, encoding=encoding) as file,
    ):
        file.read()
    assert "\n" not in str(caught.value)


def test_open_stream_names_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with (
        pytest.raises(AssayError, match=r"gone\.txt cannot be read: No such file or directory; check its permissions"),
        open_stream(tmp_path / "gone.txt"),
    ):
        pass


def test_lines_of_refuses_a_line_without_end_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_stream, "LONGEST_LINE", 8)
    path = Path("rows.txt")
    assert list(lines_of(io.BytesIO(b"1234567\n"[1:] + b"\nlast"), path)) == [b"234567\n", b"\n", b"last"]
    lines = lines_of(io.BytesIO(b"a\n" + b"x" * 9), path, line=40)
    assert next(lines) == b"a\n"
    with pytest.raises(AssayError, match=r"rows\.txt has a line of .* or more, line 42; write one row per line"):
        next(lines)


def test_bounded_lines_keeps_every_byte_and_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_stream, "LONGEST_LINE", 4)
    content = b"a\r\nb\rc\n\nlong line\n"
    assert list(bounded_lines(io.BytesIO(content))) == [b"a\r\n", b"b\rc\n", b"\n", b"long", b" lin", b"e\n"]
    assert list(bounded_lines(io.BytesIO(b""))) == []


def test_open_stream_seeks_from_the_start_alone(tmp_path: Path) -> None:
    with open_stream(written(tmp_path, TEXT.encode("utf-16")), packed=False, encoding="utf-16") as file:
        assert file.readline() == "schöne Zeile 😀\n".encode()
        with pytest.raises(io.UnsupportedOperation, match="only from the start"):
            file.raw.seek(0, os.SEEK_END)  # type: ignore[attr-defined]
