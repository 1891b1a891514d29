"""Files as streams of UTF-8 bytes, whatever their compression and encoding; their faults as one line."""

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from assay.corpus.errors import AssayError, first_line

BLOCK = 1 << 16
UTF_8 = "utf-8"
# A longer line is no row of text: reading it would take memory without bound.
LONGEST_LINE = 64 * 1024 * 1024


@contextmanager
def open_stream(path: Path, *, packed: bool = False, encoding: str = UTF_8) -> Iterator[BinaryIO]:
    """Open a file as bytes in UTF-8; offsets in the stream are those of its unpacked, converted content.

    Bytes that the encoding does not know stay in the stream as invalid UTF-8, so that readers find them in their row.

    Args:
        path: the file.
        packed: whether it is compressed by gzip.
        encoding: its encoding.

    Raises:
        AssayError: the file cannot be read, or is damaged; also while the block reads.
    """
    try:
        with path.open("rb") as raw:
            file: BinaryIO = raw
            if packed:
                # A GzipFile alone yields lines in Python; the buffer around it does so in C.
                file = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)), BLOCK)
            yield file if encoding == UTF_8 else io.BufferedReader(_Converted(file, encoding), BLOCK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise AssayError(f"{path} is damaged: {error}; copy the file again") from error
    except UnicodeError as error:
        raise AssayError(f"{path} is damaged: {first_line(error)}; copy the file again") from error
    except OSError as error:
        raise AssayError(f"{path} cannot be read: {error.strerror}; check its permissions and its disk") from error


def lines_of(file: BinaryIO, path: Path, line: int = 0) -> Iterator[bytes]:
    """Yield the lines of a stream.

    Args:
        file: the stream.
        path: its file, for messages.
        line: number of lines before the position of the stream.

    Raises:
        AssayError: a line is longer than `LONGEST_LINE`.
    """
    for number, content in enumerate(bounded_lines(file), start=line + 1):
        if len(content) == LONGEST_LINE:
            raise long_line(path, number)
        yield content


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """Return the lines of a stream; one of `LONGEST_LINE` bytes is the start of a longer one."""
    return iter(partial(file.readline, LONGEST_LINE), b"")


def long_line(path: Path, line: int) -> AssayError:
    """Return the error for a line of `LONGEST_LINE` bytes or more."""
    return AssayError(f"{path} has a line of {LONGEST_LINE >> 20} MiB or more, line {line}; write one row per line")


class _Converted(io.RawIOBase):
    """The text of a file in another encoding, as UTF-8. Seeking reads again from the start, as gzip does."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        # UTF-16 knows lone surrogates, and other encodings bytes without a character. The user may write UTF-16 or u16.
        is_unicode = codecs.lookup(encoding).name.startswith("utf")
        self._errors = "surrogatepass" if is_unicode else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._ready = b""
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]  # any writable buffer
        if not self._ready:
            self._convert()
        part = self._ready[: len(buffer)]
        buffer[: len(part)] = part
        self._ready = self._ready[len(part) :]
        self._offset += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation("only from the start")
        if offset < self._offset:
            self._file.seek(0)
            self._decoder.reset()
            self._ready, self._offset = b"", 0
        buffer = memoryview(bytearray(BLOCK))
        while self._offset < offset and self.readinto(buffer[: offset - self._offset]):
            pass
        return self._offset

    def _convert(self) -> None:
        """Fill the buffer; it stays empty at the end of the file."""
        while not self._ready:
            block = self._file.read(BLOCK)
            self._ready = self._decoder.decode(block, final=not block).encode(UTF_8, self._errors)
            if not block:
                return
