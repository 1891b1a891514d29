"""The records of a table of text. A quotation mark that is not closed costs its own record and no other one."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import TableLayout
from assay.corpus.sources.quote_faults import QuotedRecord, without_blanks
from assay.corpus.sources.table_layout import fits, table_reader
from assay.corpus.sources.table_lines import TableLines

# The csv module rejects cells above 128 Ki characters by default. A quote that is never closed takes so much memory.
LARGEST_CELL = 16 * 1024 * 1024
# A cell with quotation marks that are not doubled is searched for its end up to here. In the middle of a text of
# several lines, a few lines with a separator each are no rows yet.
MOST_LINES = 50
FEW_LINES = 5


@dataclass(frozen=True, slots=True)
class InvalidRecord:
    """A record that cannot be read: the reason, and its cells, or its lines where they cannot be divided."""

    reason: str
    content: Sequence[str]


class TableRecords:
    """The records of the lines of a table, whose quotation marks are written as RFC 4180 says, or escaped."""

    def __init__(self, lines: TableLines, layout: TableLayout, width: int | None = None) -> None:
        """Take the lines, how they are laid out, and the number of columns; None for the line that names them."""
        self._lines = lines
        self._layout = layout
        self._width = width

    def __iter__(self) -> Iterator[list[str] | InvalidRecord]:
        """Yield the cells of each record; a blank line has none.

        Raises:
            AssayError: a quoted cell is larger than `LARGEST_CELL`.
        """
        csv.field_size_limit(LARGEST_CELL)
        lines, width = self._lines, self._width
        reader = self._reader()
        while True:
            lines.begin_record()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                reader = self._reader()
                if (repaired := without_blanks(self._record())) is not None:
                    lines.put_back(repaired)
                else:
                    yield self._unreadable(error)
                continue
            if width is None or (len(cells) == width and len(lines.record) == 1):
                yield cells
            else:
                record = self._checked(cells, width)
                if isinstance(record, InvalidRecord):  # some of its lines may come again
                    reader = self._reader()
                yield record

    def _reader(self) -> Iterator[list[str]]:
        layout = self._layout
        return table_reader(
            self._lines, layout.separator, layout.quotes, blanks=layout.blanks, escape=layout.escape, strict=True
        )

    def _record(self) -> QuotedRecord:
        return QuotedRecord(tuple(self._lines.record), self._lines.first_line, self._layout, self._width)

    def _checked(self, cells: list[str], width: int) -> list[str] | InvalidRecord:
        """Return a record of several lines, or with other cells than columns, if it is valid."""
        lines = self._lines
        is_fitting = not cells or fits(cells, width)
        if len(lines.record) > 1 and (fault := self._record().swallowed_rows(fits_columns=is_fitting)) is not None:
            lines.keep(fault.kept)
            return InvalidRecord(fault.reason, lines.record)
        if is_fitting:
            return cells
        first, last = lines.first_line, lines.place.line
        where = f", in lines {first} to {last}" if last > first else ""
        return InvalidRecord(f"wrong number of cells: {len(cells)}, the header has {width}{where}", cells)

    def _unreadable(self, error: csv.Error) -> InvalidRecord:
        """Return why a record cannot be read. Lines that are rows of their own come again."""
        lines, record = self._lines, self._record()
        fault = record.fault()
        if fault is None:
            return InvalidRecord(f"not valid CSV: {error}", lines.record)
        if fault.kept < len(record.lines):
            lines.keep(fault.kept)
        elif len(record.text) > LARGEST_CELL:
            raise AssayError(
                f"{lines.path} has a cell of {LARGEST_CELL >> 20} MiB or more: {fault.reason}; close it, or set "
                "source.file.quotes: false where quotation marks are characters"
            )
        else:
            self._read_to_end_of_cell(record)
        return InvalidRecord(fault.reason, lines.record)

    def _read_to_end_of_cell(self, record: QuotedRecord) -> None:
        """Read on to the end of a cell with quotation marks that are not doubled, unless rows follow."""
        lines, count = self._lines, len(record.lines)
        if (count == 1 and record.is_row(lines.record[0])) or record.count_cells() is not None:
            return
        for line in islice(lines, MOST_LINES):
            if record.ends_cell(line):
                whole, added = self._record(), lines.record[count:-1]
                is_text = (count > 1 and len(added) < FEW_LINES) or not added or not whole.are_rows(added)
                if is_text and whole.count_cells() == self._width:
                    return
                break
        lines.keep(count)
