"""The layout of a table from its first records: separator, quotes, column names, decimal commas."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import TableLayout
from assay.corpus.sources.file_settings import SEPARATORS, FileSettings, column_index
from assay.corpus.sources.table_escape import for_csv_module, masked

# A file without a separator has one column, whose lines may hold any of them. This character separates units of text.
NO_SEPARATOR = "\x1f"
SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")
MOST_RECORDS = 200
PLAIN_SHARE = 0.9
QUOTED = re.compile(r'"([^"]|"")*"')
NUMBER = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?")

Records = Sequence[Sequence[str]]


def recognise_table(path: Path, text: str, settings: FileSettings, *, whole: bool) -> TableLayout:
    """Return the layout of a table.

    The separator is the one that splits the names and most of the first records into the same number of cells, at
    least two. If there is none, the table has one column.

    Args:
        path: the file, for messages.
        text: whole lines from its start.
        settings: what the user has set.
        whole: whether the text is the whole file.

    Raises:
        AssayError: the first line holds no column names, or one of them twice.
    """
    line = SEPARATOR_LINE.match(text)
    text = text[line.end() :] if line else text
    escape = settings.escape
    separator = settings.separator or (line and line[1]) or _separator(text, escape, whole)
    unescaped = masked(text, escape, separator)
    quotes = settings.quotes
    if quotes is None:
        quotes = separator != "\t" or not _is_plain(unescaped, separator, whole)
    blanks = quotes and _has_blanks(read_records(unescaped, separator, quotes, whole))
    records = read_records(text, separator, quotes, whole, blanks=blanks, escape=escape)
    first = records[0] if records else []
    names = numbered_names(path, settings.columns, len(first)) if settings.columns else column_names(path, first)
    decimal = _decimal_columns(names, records if settings.columns else records[1:], settings.decimal)
    return TableLayout(
        separator=separator,
        quotes=quotes,
        escape=escape,
        blanks=blanks,
        separator_line=bool(line),
        header=not settings.columns,
        columns=names,
        decimal_columns=decimal,
    )


def is_table(layout: TableLayout, text: str, *, whole: bool) -> bool:
    """Return whether nearly all records of a text have a cell for each of at least two columns."""
    text = text[5:] if layout.separator_line else text
    records = read_records(text, layout.separator, layout.quotes, whole, blanks=layout.blanks, escape=layout.escape)
    # A sentence or two of text may hold a comma each; hardly one holds tabs.
    least = 2 if layout.separator == "\t" else 3
    return len(layout.columns) > 1 and len(records) >= least and _share(records) >= PLAIN_SHARE


def read_records(
    text: str, separator: str, quotes: bool, whole: bool, *, blanks: bool = False, escape: str | None = None
) -> list[list[str]]:
    """Return the first records of a text; the last one is left out where the text may end inside it."""
    records = []
    reader = table_reader(io.StringIO(text, newline=""), separator, quotes, blanks=blanks, escape=escape)
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) > MOST_RECORDS:
                return records
    except csv.Error:  # the reader of rows names the line
        return records
    return records if whole or len(records) < 2 else records[:-1]


def table_reader(
    lines: Iterable[str],
    separator: str,
    quotes: bool,
    *,
    blanks: bool = False,
    escape: str | None = None,
    strict: bool = False,
) -> Iterator[list[str]]:
    """Return the records of lines of text.

    Args:
        lines: what is read.
        separator: what stands between cells.
        quotes: whether quotation marks enclose cells.
        blanks: whether blanks after a separator are left out.
        escape: what stands before quotation marks and separators that are part of a text.
        strict: whether a quoted cell that is not closed raises `csv.Error`.
    """
    if escape is not None:
        lines = (for_csv_module(line, escape, separator) for line in lines)
    return csv.reader(
        lines,
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        escapechar=escape,
        skipinitialspace=blanks,
        strict=strict,
    )


def column_names(path: Path, cells: Sequence[str]) -> tuple[str, ...]:
    """Return the column names of a first line, without blanks at their edges and empty names at the end.

    Raises:
        AssayError: there is none, or one stands twice.
    """
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise AssayError(f"{path} needs a first line that names each column once, but has {list(cells)!r:.200}; add it")
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        what = f"the column {repeated!r} more than once" if repeated else "several columns without a name"
        raise AssayError(f"{path} has {what}; its first line must name each column once")
    return tuple(names)


def numbered_names(path: Path, columns: Mapping[str, int], width: int) -> tuple[str, ...]:
    """Return the names of columns that the settings give by number; those of other columns are their numbers.

    Raises:
        AssayError: the file has fewer columns, or two of them get one name.
    """
    names = [str(number) for number in range(1, width + 1)]
    for name, number in columns.items():
        names[column_index(path, name, number, width)] = name
    if len(set(names)) < width or not set(columns) <= set(names):
        raise AssayError(f"source.file.columns gives two columns of {path} one name, or one two; name each once")
    return tuple(names)


def fits(cells: Sequence[str], width: int) -> bool:
    """Return whether a record has this number of cells, apart from empty ones after a trailing separator."""
    return len(cells) == width or (len(cells) > width and not any(cells[width:]))


def with_point(cell: str) -> str:
    """Return a number with a decimal comma as one with a point; any other text unchanged."""
    return cell.replace(".", "").replace(",", ".") if NUMBER.fullmatch(cell) else cell


def _separator(text: str, escape: str | None, whole: bool) -> str:
    best, separator = (0.0, 0), NO_SEPARATOR
    for candidate in SEPARATORS:
        records = read_records(masked(text, escape, candidate), candidate, True, whole)
        if records and len(records[0]) > 1 and (score := (_share(records), len(records[0]))) > best:
            best, separator = score, candidate
    return separator


def _share(records: Records) -> float:
    """Return the share of records that fit the first one; 1 for a first line alone."""
    width = len(records[0])
    return sum(fits(record, width) for record in records[1:]) / (len(records) - 1) if len(records) > 1 else 1.0


def _has_blanks(records: Records) -> bool:
    """Return whether blanks precede the quotation marks of cells: in most records, the same column has some."""
    columns = zip_longest(*records[1:], fillvalue="")
    return any(2 * sum(map(_is_quoted_after_blank, cells)) > len(cells) for cells in columns)


def _is_quoted_after_blank(cell: str) -> bool:
    return cell.startswith(" ") and cell.lstrip(" ").startswith('"')


def _is_plain(text: str, separator: str, whole: bool) -> bool:
    """Return whether quotation marks are characters: all lines fit without quotes, and some are not paired."""
    records = read_records(text, separator, False, whole)
    cells = (cell for record in records for cell in record if cell.startswith('"'))
    return bool(records) and _share(records) == 1.0 and not all(map(QUOTED.fullmatch, cells))


def _decimal_columns(names: Sequence[str], records: Records, decimal: str | None) -> tuple[str, ...]:
    """Return the columns whose cells are all numbers; unless the comma is set, one of them must have a comma."""
    if decimal == ".":
        return ()
    columns = []
    for index, name in enumerate(names):
        cells = [record[index] for record in records if index < len(record) and record[index]]
        if cells and all(map(NUMBER.fullmatch, cells)) and (decimal or any("," in cell for cell in cells)):
            columns.append(name)
    return tuple(columns)
