"""Rows of JSON lines from any row on, and what all readers of rows share: memory holds one row."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.errors import AssayError
from assay.corpus.sources.extended_json import from_extended
from assay.corpus.sources.file_description import FileDescription
from assay.corpus.sources.text_stream import LONGEST_LINE, bounded_lines, long_line, open_stream

BOM = b"\xef\xbb\xbf"
# The first characters of the name of a value in extended JSON, such as {"$oid": ...}.
EXTENDED = b'"$'

# `json.loads` chooses a decoder for each line anew.
decode_json = json.JSONDecoder().decode

Row = dict[str, Any]
NumberedRow = tuple[int, Row | InvalidRow]


@dataclass(frozen=True, slots=True)
class LinePosition:
    """Start of a row: bytes of the (unpacked, UTF-8) content and lines before it, or rows where these are counted."""

    offset: int = 0
    line: int = 0


START = LinePosition()


class RowReader(Protocol):
    """The rows of one file from a position on, each with its number.

    `place` is the start of the row after the last one; a reader that starts there resumes without a gap.
    """

    place: LinePosition

    def __iter__(self) -> Iterator[NumberedRow]:
        """Yield the rows.

        Raises:
            AssayError: the file cannot be read, or is damaged.
        """


class CountedRows:
    """Rows of a reader that knows only the start of its file; to resume, it reads the earlier rows again."""

    def __init__(self, rows: Callable[[], Iterable[NumberedRow]], start: LinePosition = START) -> None:
        self.place = start
        self._rows = rows

    def __iter__(self) -> Iterator[NumberedRow]:
        for numbered in islice(self._rows(), self.place.line, None):
            self.place = LinePosition(0, self.place.line + 1)
            yield numbered


class JsonLines:
    """The objects of a file of JSON lines. Blank lines are skipped."""

    def __init__(
        self, path: Path, description: FileDescription, start: LinePosition = START, *, unwrap: bool = False
    ) -> None:
        """Take a file, and whether to decode the extended JSON of its rows."""
        self.place = start
        self._path = path
        self._description = description
        self._unwrap = unwrap

    def __iter__(self) -> Iterator[NumberedRow]:
        name, unwrap, description = self._path.name, self._unwrap, self._description
        offset, start_line = self.place.offset, self.place.line
        with open_stream(self._path, packed=description.packed, encoding=description.encoding) as file:
            file.seek(offset)
            for number, line in enumerate(bounded_lines(file), start=start_line + 1):
                length = len(line)
                if length == LONGEST_LINE:
                    raise long_line(self._path, number)
                offset += length
                self.place = LinePosition(offset, number)
                if number == 1:
                    line = line.removeprefix(BOM)
                if line.strip():
                    row_id = f"{name}:{number}"
                    row = _json_row(row_id, line)
                    # A search for one byte is faster than for two, and most lines hold no dollar sign.
                    if unwrap and b"$" in line and EXTENDED in line:
                        row = unwrapped(row_id, row)
                    yield number, row


def as_row(row_id: str, value: Any) -> Row | InvalidRow:
    """Return a JSON value as a row. A text and an object, as spaCy pairs them, are an object with `text`."""
    if isinstance(value, dict):
        return value
    match value:
        case [str() as text, dict() as annotations]:
            return {"text": text, **annotations}
    return InvalidRow(row_id, f"not a JSON object: {type(value).__name__}", shorten(value))


def unwrapped(row_id: str, row: Row | InvalidRow) -> Row | InvalidRow:
    """Return a row with its extended JSON decoded, as mongoexport writes it.

    Raises:
        AssayError: pymongo, which decodes it, is not installed.
    """
    if isinstance(row, InvalidRow):
        return row
    try:
        decoded: Row = from_extended(row)
    except ValueError as error:
        if find_spec("bson") is None:
            raise AssayError(f"{row_id}: {error}") from error
        return InvalidRow(row_id, f"not valid extended JSON: {error}", shorten(row))
    return decoded


def invalid_utf8(row_id: str, line: bytes, error: UnicodeDecodeError) -> InvalidRow:
    """Return the invalid row of a line that cannot be decoded."""
    return InvalidRow(row_id, f"not valid UTF-8: byte {error.start}", shorten(repr(line)))


def _json_row(row_id: str, line: bytes) -> Row | InvalidRow:
    try:
        text = line.decode("utf-8")
        row = decode_json(text)
    except UnicodeDecodeError as error:
        return invalid_utf8(row_id, line, error)
    except (ValueError, RecursionError) as error:
        return InvalidRow(row_id, f"not valid JSON: {error}", shorten(text))
    return row if type(row) is dict else as_row(row_id, row)
