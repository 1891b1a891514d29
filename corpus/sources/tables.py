"""Rows of CSV, TSV and other tables of text from any row on: memory holds one row."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import FileDescription, TableLayout
from assay.corpus.sources.lines import BOM, START, LinePosition, NumberedRow, Row
from assay.corpus.sources.table_layout import column_names, fits, table_reader, with_point
from assay.corpus.sources.text_stream import LONGEST_LINE, bounded_lines, long_line, open_stream

# The csv module rejects cells above 128 Ki characters by default.
LARGEST_CELL = 64 * 1024 * 1024


class TableRows:
    """The rows of a table, each with the number of its last line. Cells are text, an empty cell an empty text."""

    def __init__(self, path: Path, description: FileDescription, start: LinePosition = START) -> None:
        """Take a file and its description, which holds the layout of a table.

        Raises:
            AssayError: during iteration: the file cannot be read, is damaged, or has no line of column names.
        """
        assert description.table is not None  # noqa: S101  # narrows the type
        self.place = start
        self._path = path
        self._description = description
        self._layout: TableLayout = description.table

    def __iter__(self) -> Iterator[NumberedRow]:
        csv.field_size_limit(LARGEST_CELL)
        description = self._description
        with open_stream(self._path, packed=description.packed, encoding=description.encoding) as file:
            lines = _Lines(file, self._path)
            header = self._header(lines)
            if self.place != START:
                lines = _Lines(file, self._path, self.place)
            yield from self._rows(lines, header)

    def _header(self, lines: "_Lines") -> tuple[str, ...]:
        if self._layout.separator_line:
            next(iter(lines))
        cells: list[str] = next(self._reader(lines), [])
        if self._layout.quotes and lines.ended_inside(cells):
            raise AssayError(f"{self._path} opens a quote in its first line that is never closed; close it")
        return column_names(self._path, cells)

    def _rows(self, lines: "_Lines", header: tuple[str, ...]) -> Iterator[NumberedRow]:
        name, quotes = self._path.name, self._layout.quotes
        decimal = [index for index, column in enumerate(header) if column in self._layout.decimal_columns]
        reader = self._reader(lines)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.place = place = lines.place
                yield place.line, InvalidRow(f"{name}:{place.line}", f"not valid CSV: {error}", None)
                continue
            self.place = place = lines.place
            if quotes and lines.ended_inside(cells):
                # Otherwise the rest of the file would be one valid row.
                reason = f"a quote is never closed: it opens in line {lines.line_of_last(cells)}"
                yield place.line, InvalidRow(f"{name}:{place.line}", reason, shorten(cells))
            elif cells:
                for index in decimal:
                    if index < len(cells):
                        cells[index] = with_point(cells[index])
                yield place.line, _table_row(f"{name}:{place.line}", header, cells)

    def _reader(self, lines: "_Lines") -> Iterator[list[str]]:
        return table_reader(lines, self._layout.separator, self._layout.quotes)


class _Lines:
    """The lines of a file as text, and the position of the reader."""

    def __init__(self, file: BinaryIO, path: Path, start: LinePosition = START) -> None:
        file.seek(start.offset)
        self._file, self._path = file, path
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
        for block in bounded_lines(self._file):
            if len(block) == LONGEST_LINE:
                raise long_line(self._path, self._line + 1)
            # A lone carriage return also ends a line; the csv module joins quoted lines again.
            for line in block.splitlines(keepends=True) if b"\r" in block else (block,):
                text = line.removeprefix(BOM) if not self._offset else line
                self._offset += len(line)
                self._line += 1
                # surrogateescape keeps invalid bytes inside their own cell, where `_table_row` finds them.
                yield text.decode("utf-8", "surrogateescape")
        self._ended = True


def _table_row(row_id: str, header: Sequence[str], cells: list[str]) -> Row | InvalidRow:
    if len(cells) != len(header):
        if not fits(cells, len(header)):
            reason = f"wrong number of cells: {len(cells)}, the header has {len(header)}"
            return InvalidRow(row_id, reason, shorten(cells))
        cells = cells[: len(header)]
    if not all(map(_is_utf8, cells)):
        return InvalidRow(row_id, "not valid UTF-8", shorten(repr(cells)))
    return dict(zip(header, cells, strict=True))


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)
