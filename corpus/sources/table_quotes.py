"""Where the quotation marks of a record of a table open and close its cells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

QUOTE = '"'
LINE_ENDS = "\r\n"
BACKSLASH = "\\"


@dataclass(frozen=True, slots=True)
class QuotedCell:
    """Offsets in a record: of the quotation mark that opens a cell, and of the next one that is not doubled.

    `end` is None where there is none. `is_closed` says whether a separator or the end of the line follows, as RFC 4180
    demands of the quotation mark that closes a cell.
    """

    start: int
    end: int | None
    is_closed: bool


def quoted_cells(record: str, separator: str, *, blanks: bool = False) -> Iterator[QuotedCell]:
    """Yield the quoted cells of a record, up to the first one that is not closed.

    Args:
        record: lines of a table.
        separator: what stands between cells.
        blanks: whether blanks may precede a cell.
    """
    position = 0
    while (position := _start(record, position, blanks=blanks)) < len(record):
        if record[position] == QUOTE:
            end = _next_quote(record, position)
            follows = "" if end is None else record[end + 1 : end + 2]
            is_closed = end is not None and (not follows or follows in separator + LINE_ENDS)
            yield QuotedCell(position, end, is_closed)
            if end is None or follows != separator:
                return
            position = end + 2
        else:
            position = record.find(separator, position) + 1
            if not position:
                return


def count_cells(record: str, separator: str, *, escaped: bool, blanks: bool = False) -> int | None:
    """Return the number of cells where quotation marks inside of quoted cells are not doubled; None if one stays open.

    Args:
        record: lines of a table.
        separator: what stands between cells.
        escaped: whether a backslash precedes quotation marks that close nothing.
        blanks: whether blanks may precede a cell.
    """
    after = f"(?=[{re.escape(separator + LINE_ENDS)}]|\\Z)"
    inside = r'(?:[^"\\]++|\\.|"")*+' if escaped else ".*?"
    quoted, plain = re.compile(f'"{inside}"{after}', re.DOTALL), re.compile(f".*?{after}", re.DOTALL)
    count = position = 0
    while True:
        position = _start(record, position, blanks=blanks)
        is_quoted = record[position : position + 1] == QUOTE
        cell = (quoted if is_quoted else plain).match(record, position)
        if cell is None:
            return None
        count += 1
        if record[cell.end() : cell.end() + 1] != separator:
            return count
        position = cell.end() + 1


def _start(record: str, position: int, *, blanks: bool) -> int:
    """Return the offset of a cell, behind the blanks that precede it."""
    while blanks and record[position : position + 1] == " ":
        position += 1
    return position


def _next_quote(text: str, start: int) -> int | None:
    """Return the offset of the first quotation mark after one that is not doubled."""
    at = text.find(QUOTE, start + 1)
    while at >= 0 and text[at + 1 : at + 2] == QUOTE:
        at = text.find(QUOTE, at + 2)
    return at if at >= 0 else None
