"""Rows of JSON files of any layout, one after the other: memory holds one row and a block of text."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import FileDescription, JsonLayout
from assay.corpus.sources.json_layout import is_row, nested_lists, no_list, several_lists
from assay.corpus.sources.lines import NumberedRow, as_row, unwrapped
from assay.corpus.sources.text_stream import open_stream

FIRST_BLOCK = 1 << 16
LARGEST_VALUE = 64 * 1024 * 1024
SPACE = re.compile(r"[ \t\r\n]*")
INVALID = re.compile("[\udc80-\udcff]")
LONGEST_WORD = 16  # more than `-Infinity` or an escape, of which a block may hold a part


def json_rows(path: Path, description: FileDescription, *, unwrap: bool = False) -> Iterator[NumberedRow]:
    """Yield the rows of a JSON file, each with its number in the list, from 1.

    Raises:
        AssayError: the file cannot be read, is not JSON (with line and column), or holds no or several lists.
    """
    layout = description.json_layout
    assert layout is not None  # noqa: S101  # narrows the type
    with open_stream(path, packed=description.packed, encoding=description.encoding) as file:
        text = JsonText(path, file)
        for number, (value, start, end) in enumerate(_values(text, layout), start=1):
            row_id = f"{path.name}:{number}"
            if text.is_invalid(start, end):
                yield number, InvalidRow(row_id, "not valid UTF-8", shorten(repr(value)))
                continue
            row = as_row(row_id, value)
            yield number, unwrapped(row_id, row) if unwrap and text.is_extended(start, end) else row


Value = tuple[Any, int, int]


class JsonText:
    """A window on the text of a JSON file, read forwards value by value; `path` is for messages."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._position = 0
        self._line, self._column = 1, 1  # of the first character of the window
        self._ended = False

    def peek(self) -> str:
        """Return the next character that is no white space; an empty text at the end of the file."""
        while True:
            self._position = SPACE.match(self._text, self._position).end()  # type: ignore[union-attr]  # never None
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read(FIRST_BLOCK):
                return ""

    def take(self, expected: str) -> str:
        """Consume the next character, which must be one of the expected ones.

        Raises:
            AssayError: it is another one, or the file has ended.
        """
        character = self.peek()
        if not character or character not in expected:
            raise self.error(f"expected {' or '.join(expected)}")
        self._position += 1
        return character

    def value(self) -> Value:
        """Consume the next value; return it, and the bounds of its text in the window until the next call.

        Raises:
            AssayError: it is not JSON, or larger than `LARGEST_VALUE`.
        """
        self.peek()
        self._shift()
        block = FIRST_BLOCK
        while True:
            try:
                value, end = self._decode(self._text, self._position)
            except json.JSONDecodeError as error:
                if not self._may_go_on(error) or not self._read(block):
                    raise self._error(error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, deep nesting
                raise self._error(str(error), self._position) from error
            else:
                # A number may go on in the next block.
                if end < len(self._text) or not self._read(block):
                    start, self._position = self._position, end
                    return value, start, end
            if len(self._text) > LARGEST_VALUE:
                limit = f"a value of more than {LARGEST_VALUE >> 20} MiB"
                line, _ = self._place(self._position)
                raise AssayError(f"{self.path} holds {limit}, from line {line} on; split it into rows")
            block *= 2

    def is_invalid(self, start: int, end: int) -> bool:
        """Return whether this part of the window was not valid UTF-8."""
        return INVALID.search(self._text, start, end) is not None

    def is_extended(self, start: int, end: int) -> bool:
        """Return whether this part of the window may hold extended JSON."""
        return self._text.find('"$', start, end) >= 0

    def error(self, what: str) -> AssayError:
        """Return an error at the position."""
        return self._error(what, self._position)

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Return whether the text is wrong only because the window ends; the error of an open text is at its start."""
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - LONGEST_WORD

    def _read(self, size: int) -> bool:
        if self._ended:
            return False
        more = self._file.read(size)
        self._ended = not more
        self._text += more
        return bool(more)

    def _shift(self) -> None:
        """Drop the text before the position, once it is longer than a block."""
        if self._position > FIRST_BLOCK:
            self._line, self._column = self._place(self._position)
            self._text, self._position = self._text[self._position :], 0

    def _place(self, position: int) -> tuple[int, int]:
        breaks = self._text.count("\n", 0, position)
        if not breaks:
            return self._line, self._column + position
        return self._line + breaks, position - self._text.rfind("\n", 0, position)

    def _error(self, what: str, position: int) -> AssayError:
        line, column = self._place(position)
        end = " (the file ends there)" if position >= len(self._text) else ""
        return AssayError(
            f"{self.path} is not valid JSON in line {line}, column {column}{end}: {what}; correct it, or export again"
        )


def _values(text: JsonText, layout: JsonLayout) -> Iterator[Value]:
    """Yield the rows of a file."""
    if layout.form == "array":
        yield from _items(text)
    elif layout.form == "object":
        yield from _listed(text, layout.rows)
    while text.peek():
        if layout.form != "sequence":
            raise text.error("more follows after the end of its value")
        yield text.value()


def _items(text: JsonText) -> Iterator[Value]:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    while True:
        yield text.value()
        if text.take(",]") == "]":
            return


@dataclass
class _Found:
    """Names of the fields of an object, of the lists that were read, and of lists in other fields."""

    names: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)


def _listed(text: JsonText, rows: str | None) -> Iterator[Value]:
    """Yield the items of the list with this name; None: of the only list of objects.

    Raises:
        AssayError: there is no such list, or more than one.
    """
    found = _Found()
    parts = rows.split(".") if rows else []
    yield from _members(text, parts, found)
    if not found.read:
        raise no_list(text.path, found.names, rows, [] if rows else found.nested)


def _members(text: JsonText, parts: Sequence[str], found: _Found) -> Iterator[Value]:
    text.take("{")
    if text.peek() == "}":
        text.take("}")
        return
    while True:
        name = text.value()[0]
        found.names.append(str(name))
        text.take(":")
        opening = text.peek()
        if opening == "[" and (parts == [name] or not parts):
            yield from _rows_of(text, str(name), is_named=bool(parts), read=found.read)
        elif opening == "{" and len(parts) > 1 and parts[0] == name:
            yield from _members(text, parts[1:], found)
        else:
            found.nested += nested_lists(str(name), text.value()[0])
        if text.take(",}") == "}":
            return


def _rows_of(text: JsonText, name: str, *, is_named: bool, read: list[str]) -> Iterator[Value]:
    """Yield the items of a list that is named, or of one of objects; a second one is refused."""
    is_wanted = is_named
    if is_named:
        read.append(name)
    for index, item in enumerate(_items(text)):
        if not index and not is_named and is_row(item[0]):
            is_wanted = True
            read.append(name)
        if len(read) > 1:
            raise several_lists(text.path, read)
        if is_wanted:
            yield item
