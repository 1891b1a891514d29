"""The lines of a table as text, those of the record that is read, and the position after it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from assay.corpus.sources.lines import BOM, START, LinePosition
from assay.corpus.sources.text_stream import LONGEST_LINE, bounded_lines, long_line


class TableLines:
    """The lines of a file. Those of a record can be put back, to be read again as records of their own.

    `record` are the lines since the last record began.
    """

    def __init__(self, file: BinaryIO, path: Path, start: LinePosition = START) -> None:
        """Take a file, its path for messages, and the start of a record in it."""
        file.seek(start.offset)
        self.path = path
        self.record: list[str] = []
        self._file = file
        self._offset, self._line = start.offset, start.line
        self._sizes: list[int] = []  # bytes of the file that the lines of the record take
        self._unread = self._read(start)
        self._put_back: list[tuple[str, int]] = []

    @property
    def place(self) -> LinePosition:
        """Position after the last line of the record."""
        return LinePosition(self._offset, self._line)

    @property
    def first_line(self) -> int:
        """Number of the first line of the record."""
        return self._line - len(self.record) + 1

    def begin_record(self) -> None:
        """Begin another record."""
        self.record.clear()
        self._sizes.clear()

    def keep(self, count: int) -> None:
        """Keep the first lines of the record; the others come again."""
        sizes = self._sizes[count:]
        self._put_back += reversed(list(zip(self.record[count:], sizes, strict=True)))
        self._offset -= sum(sizes)
        self._line -= len(sizes)
        del self.record[count:], self._sizes[count:]

    def put_back(self, lines: Sequence[str]) -> None:
        """Let these lines come in place of those of the record."""
        self.record[:] = lines
        self.keep(0)

    def __iter__(self) -> Iterator[str]:
        while (line := self._put_back.pop() if self._put_back else next(self._unread, None)) is not None:
            text, size = line
            self.record.append(text)
            self._sizes.append(size)
            self._offset += size
            self._line += 1
            yield text

    def _read(self, start: LinePosition) -> Iterator[tuple[str, int]]:
        number, is_first = start.line, not start.offset
        for block in bounded_lines(self._file):
            if len(block) == LONGEST_LINE:
                raise long_line(self.path, number + 1)
            # A lone carriage return also ends a line; the csv module joins quoted lines again.
            for line in block.splitlines(keepends=True) if b"\r" in block else (block,):
                number += 1
                text = line.removeprefix(BOM) if is_first else line
                is_first = False
                # surrogateescape keeps invalid bytes inside their own cell, where the reader of rows finds them.
                yield text.decode("utf-8", "surrogateescape"), len(line)
