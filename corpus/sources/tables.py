"""Rows of CSV, TSV and other tables of text from any row on: memory holds one row."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import FileDescription, TableLayout
from assay.corpus.sources.lines import START, LinePosition, NumberedRow, Row
from assay.corpus.sources.table_layout import column_names, with_point
from assay.corpus.sources.table_lines import TableLines
from assay.corpus.sources.table_records import InvalidRecord, TableRecords
from assay.corpus.sources.text_stream import open_stream


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
        description, layout = self._description, self._layout
        with open_stream(self._path, packed=description.packed, encoding=description.encoding) as file:
            lines = TableLines(file, self._path)
            names = self._names(lines)
            if self.place != START:
                lines = TableLines(file, self._path, self.place)
            decimal = [index for index, name in enumerate(names) if name in layout.decimal_columns]
            for record in TableRecords(lines, layout, len(names)):
                self.place = place = lines.place
                row_id = f"{self._path.name}:{place.line}"
                if isinstance(record, InvalidRecord):
                    yield place.line, InvalidRow(row_id, record.reason, shorten(record.content))
                elif record:
                    for index in decimal:
                        record[index] = with_point(record[index])
                    yield place.line, _table_row(row_id, names, record)

    def _names(self, lines: TableLines) -> tuple[str, ...]:
        if self._layout.separator_line:
            next(iter(lines))
        if not self._layout.header:
            return self._layout.columns
        record = next(iter(TableRecords(lines, self._layout)), [])
        if isinstance(record, InvalidRecord):
            raise AssayError(f"{self._path}: {record.reason}; {remedy_of(record.reason)}")
        return column_names(self._path, record)


def _table_row(row_id: str, header: Sequence[str], cells: Sequence[str]) -> Row | InvalidRow:
    if not all(map(_is_utf8, cells)):
        return InvalidRow(row_id, "not valid UTF-8", shorten(repr(cells)))
    return dict(zip(header, cells, strict=False))


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= character <= "\udcff" for character in text)
