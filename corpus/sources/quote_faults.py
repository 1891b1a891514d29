"""Why a record of a table cannot be read, and which of its lines are rows of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from assay.corpus.sources.file_description import TableLayout
from assay.corpus.sources.table_escape import masked
from assay.corpus.sources.table_layout import fits, table_reader
from assay.corpus.sources.table_quotes import BACKSLASH, LINE_ENDS, QUOTE, QuotedCell, count_cells, quoted_cells

# Lines inside of quotes are rows if so many of them have a cell for each column.
ROWS_SHARE = 0.5
# A closed cell of several lines is taken for rows if all its lines together hold so many separators, as rows do.
LEAST_SEPARATORS = 10
SHOWN = 20


@dataclass(frozen=True, slots=True)
class QuoteFault:
    """Why a record cannot be read, and how many of its lines belong to it: the others are rows."""

    reason: str
    kept: int


@dataclass(frozen=True)
class QuotedRecord:
    """Lines that the quotation marks of a table join to one record."""

    lines: Sequence[str]
    first_line: int
    layout: TableLayout
    width: int | None  # number of columns; None in the line that names them

    @property
    def separator(self) -> str:
        """What stands between cells."""
        return self.layout.separator

    @cached_property
    def text(self) -> str:
        """The lines as one text, without the characters that are escaped."""
        return self._masked("".join(self.lines))

    @cached_property
    def cells(self) -> list[QuotedCell]:
        """The quoted cells, up to the first one that is not closed."""
        return list(quoted_cells(self.text, self.separator, blanks=self.layout.blanks)) if self.layout.quotes else []

    @property
    def is_escaped(self) -> bool:
        """Whether a backslash precedes the quotation mark after the first one of the last cell."""
        end = self.cells[-1].end if self.cells else None
        return end is not None and self.text[end - 1] == BACKSLASH

    def fault(self) -> QuoteFault | None:
        """Return the fault of the last quoted cell; None if it is closed."""
        cell = self.cells[-1] if self.cells else None
        if cell is None or cell.is_closed:
            return None
        if (unclosed := self._unclosed(cell)) is not None:
            return unclosed
        line = self._line_of(cell.start)
        if cell.end is None:
            reason = f"a quotation mark is not closed: it opens in line {line}"
        elif self.is_escaped:
            reason = f"a quotation mark is escaped by a backslash: in a cell that opens in line {line}"
        else:
            text = "".join(self.lines)
            before = text[cell.start : cell.end].splitlines()[-1][-SHOWN:]
            found = before + text[cell.end : cell.end + SHOWN].splitlines()[0]
            reason = f"text follows a closing quotation mark: {found} (the cell opens in line {line})"
        return QuoteFault(reason, len(self.lines))

    def swallowed_rows(self, *, fits_columns: bool) -> QuoteFault | None:
        """Return the fault of a record that can be read, but whose first cell of several lines holds rows.

        Args:
            fits_columns: whether the record has a cell for each column, so that only many rows are evidence, which
                share a value, such as a label, with the record.
        """
        if fits_columns:
            filled = [line for line in self.lines if line.strip()]
            if not all(map(self.is_row, filled)) or self.text.count(self.separator) < LEAST_SEPARATORS:
                return None
        found = ((cell, fault) for cell in self.cells if (fault := self._unclosed(cell)) is not None)
        return next((fault for cell, fault in found if not fits_columns or self._shares_value(cell)), None)

    def are_rows(self, lines: Sequence[str]) -> bool:
        """Return whether most of the lines have a cell for each column."""
        if self.width is None:
            return False
        records = [cells for cells in table_reader(map(self._masked, lines), self.separator, quotes=True) if cells]
        return sum(fits(cells, self.width) for cells in records) >= ROWS_SHARE * len(records)

    def is_row(self, line: str) -> bool:
        """Return whether a line has a cell for each column if its quotation marks are characters."""
        return self.width is not None and self._masked(line).count(self.separator) == self.width - 1

    def ends_cell(self, line: str) -> bool:
        """Return whether a line has a quotation mark that may close a cell."""
        line = self._masked(line)
        return line.endswith(QUOTE) or any(QUOTE + follows in line for follows in (self.separator, *LINE_ENDS))

    def count_cells(self) -> int | None:
        """Return the number of cells if quotation marks inside of cells are not doubled; None if a cell is open."""
        return count_cells(self.text, self.separator, escaped=self.is_escaped, blanks=self.layout.blanks)

    def _unclosed(self, cell: QuotedCell) -> QuoteFault | None:
        """Return the fault of a cell whose quotation mark is not closed in its row, since rows follow that line."""
        first = self._index(cell.start)
        last = len(self.lines) if cell.end is None else self._index(cell.end)
        inside = self.lines[first + 1 : last]
        if first == last or not (self.are_rows(inside) if inside else self._meets_opening(cell)):
            return None
        line = self._line_of(cell.start)
        following = "" if cell.end is None else f", and the next one is in line {self._line_of(cell.end)}"
        return QuoteFault(f"a quotation mark is not closed: it opens in line {line}{following}", first + 1)

    def _meets_opening(self, cell: QuotedCell) -> bool:
        """Return whether the quotation mark after the first one of a cell opens another cell."""
        if cell.end is None:
            return True
        return not cell.is_closed and self.text[cell.end - 1] in self.separator + LINE_ENDS

    def _shares_value(self, cell: QuotedCell) -> bool:
        """Return whether a line inside of a closed cell has the value of another cell of the record in its column."""
        if cell.end is None:
            return True
        before = self.text[: cell.start].split(self.separator)[:-1]
        after = self.text[cell.end + 1 :].rstrip(LINE_ENDS).split(self.separator)[1:]
        inside = self.lines[self._index(cell.start) + 1 : self._index(cell.end)]
        rows = [self._masked(line).rstrip(LINE_ENDS).split(self.separator) for line in inside]
        pairs = [
            pair
            for row in rows
            for pair in (*zip(before, row, strict=False), *zip(after[::-1], row[::-1], strict=False))
        ]
        return any(value and value == other for value, other in pairs)

    def _masked(self, text: str) -> str:
        return masked(text, self.layout.escape, self.separator)

    def _line_of(self, offset: int) -> int:
        return self.first_line + self._index(offset)

    def _index(self, offset: int) -> int:
        """Return the index of the line that holds the character at an offset."""
        for index, line in enumerate(self.lines):
            if offset < len(line):
                return index
            offset -= len(line)
        return len(self.lines) - 1


def without_blanks(record: QuotedRecord) -> list[str] | None:
    """Return the lines without the blanks that follow a closing quotation mark; None if other text follows it."""
    cell = record.cells[-1] if record.cells else None
    if cell is None or cell.end is None or cell.is_closed:
        return None
    *lines, last = record.lines
    end = cell.end + len(QUOTE) - sum(map(len, lines))
    rest = last[end:].lstrip(" \t".replace(record.separator, ""))
    return [*lines, last[:end] + rest] if rest[:1] in record.separator + LINE_ENDS else None
