"""Rows of JSONL and CSV files, plain or gzipped, from any row on: memory holds one row."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.errors import AssayError

BOM = b"\xef\xbb\xbf"
# The csv module rejects cells above 128 Ki characters by default.
LARGEST_CELL = 64 * 1024 * 1024

Row = dict[str, Any]
NumberedRow = tuple[int, Row | InvalidRow]


@dataclass(frozen=True, slots=True)
class LinePosition:
    """Start of a row: bytes of the (unpacked) file and lines before it."""

    offset: int = 0
    line: int = 0


START = LinePosition()


class LineRows:
    """The rows of one file from a position on, each with the number of its (last) line.

    `place` is the start of the row after the last one; a reader that starts there resumes without a gap.

    Raises:
        AssayError: during iteration: the file cannot be read, is damaged, or is a CSV without a header.
    """

    def __init__(self, path: Path, kind: str, start: LinePosition = START) -> None:
        """Take a file and its suffix, as `assay.corpus.sources.files.file_kind` returns it."""
        self.place = start
        self._path = path
        self._packed = kind.endswith(".gz")
        self._read = self._jsonl if kind.startswith(".jsonl") else self._csv

    def __iter__(self) -> Iterator[NumberedRow]:
        path = self._path
        try:
            with self._open() as file:
                yield from self._read(file)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise AssayError(f"{path} is damaged: {error}; copy the file again") from error
        except OSError as error:
            raise AssayError(f"{path} cannot be read: {error.strerror}; check its permissions and its disk") from error

    def _open(self) -> BinaryIO:
        if not self._packed:
            return self._path.open("rb")
        # A GzipFile alone yields lines in Python; the buffer around it does so in C.
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(self._path)), 1 << 16)

    def _jsonl(self, file: BinaryIO) -> Iterator[NumberedRow]:
        offset, start_line = self.place.offset, self.place.line
        file.seek(offset)
        for number, line in enumerate(file, start=start_line + 1):
            offset += len(line)
            self.place = LinePosition(offset, number)
            if number == 1:
                line = line.removeprefix(BOM)
            if line.strip():
                yield number, _json_row(f"{self._path.name}:{number}", line)

    def _csv(self, file: BinaryIO) -> Iterator[NumberedRow]:
        csv.field_size_limit(LARGEST_CELL)
        lines = _Lines(file)
        header = next(csv.reader(lines), [])
        if lines.ended_inside(header):
            raise AssayError(f"{self._path} opens a quote in its first line that is never closed; close it")
        if not header or len(set(header)) != len(header):
            raise AssayError(f"{self._path} needs a first line of column names, each once; it reads {header!r:.200}")
        if self.place != START:
            lines = _Lines(file, self.place)
        reader = csv.reader(lines)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.place = place = lines.place
                yield place.line, InvalidRow(f"{self._path.name}:{place.line}", f"not valid CSV: {error}", None)
                continue
            self.place = place = lines.place
            if lines.ended_inside(cells):
                # Otherwise the rest of the file would be one valid row.
                reason = f"a quote is never closed: it opens in line {lines.line_of_last(cells)}"
                yield place.line, InvalidRow(f"{self._path.name}:{place.line}", reason, shorten(cells))
            elif cells:
                yield place.line, _csv_row(f"{self._path.name}:{place.line}", header, cells)


class _Lines:
    """The lines of a file as text, and the position of the reader."""

    def __init__(self, file: BinaryIO, start: LinePosition = START) -> None:
        file.seek(start.offset)
        self._file = file
        self._offset, self._line = start.offset, start.line
        self._lines = self._read()
        self._ended = False

    def ended_inside(self, cells: list[str]) -> bool:
        """Return whether the input ended inside the quotes of the last of these cells, which were read just now.

        The csv module requests another line after the end of a row only inside quotes.
        """
        return self._ended and bool(cells)

    def line_of_last(self, cells: list[str]) -> int:
        """Return the line where the last cell begins, for a row that reaches to the end of the input."""
        more = cells[-1].encode("utf-8", "surrogateescape").splitlines()[1:]
        return self._line - len(more)

    @property
    def place(self) -> LinePosition:
        """Position after the last line."""
        return LinePosition(self._offset, self._line)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def _read(self) -> Iterator[str]:
        for block in self._file:
            # A lone carriage return also ends a line; the csv module joins quoted lines again.
            for line in block.splitlines(keepends=True) if b"\r" in block else (block,):
                text = line.removeprefix(BOM) if not self._offset else line
                self._offset += len(line)
                self._line += 1
                # surrogateescape keeps invalid bytes inside their own cell, where `_csv_row` finds them.
                yield text.decode("utf-8", "surrogateescape")
        self._ended = True


def _json_row(row_id: str, line: bytes) -> Row | InvalidRow:
    try:
        text = line.decode("utf-8")
        row = json.loads(text)
    except UnicodeDecodeError as error:
        return InvalidRow(row_id, f"not valid UTF-8: byte {error.start}", shorten(repr(line)))
    except (ValueError, RecursionError) as error:
        return InvalidRow(row_id, f"not valid JSON: {error}", shorten(text))
    if not isinstance(row, dict):
        return InvalidRow(row_id, f"not a JSON object: {type(row).__name__}", shorten(row))
    return row


def _csv_row(row_id: str, header: list[str], cells: list[str]) -> Row | InvalidRow:
    if len(cells) != len(header):
        return InvalidRow(row_id, f"wrong number of cells: {len(cells)}, the header has {len(header)}", shorten(cells))
    if not all(map(_is_utf8, cells)):
        return InvalidRow(row_id, "not valid UTF-8", shorten(repr(cells)))
    return dict(zip(header, cells, strict=True))


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)
