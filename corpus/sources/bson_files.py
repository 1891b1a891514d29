"""Documents of mongodump's files, in the binary format of MongoDB. pymongo is imported on use."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError, first_line
from assay.corpus.extras import install_command
from assay.corpus.sources.file_description import FileDescription
from assay.corpus.sources.lines import NumberedRow, Row
from assay.corpus.sources.mongo_connection import bson_options
from assay.corpus.sources.text_stream import open_stream

LENGTH = 4
# Limit of the server for a document, with room for its wrapping.
LARGEST = 32 * 1024 * 1024


def bson_rows(path: Path, description: FileDescription) -> Iterator[NumberedRow]:
    """Yield the documents of a file, each with its number, from 1.

    Raises:
        AssayError: the file cannot be read, is cut off or damaged, or pymongo is not installed.
    """
    try:
        import bson
    except ImportError:
        raise AssayError(f"{path} needs pymongo; run {install_command('mongo')}") from None
    options = bson_options()
    with open_stream(path, packed=description.packed) as file:
        for number, content in enumerate(_documents(path, file), start=1):
            row: Row | InvalidRow
            try:
                row = bson.decode(content, options)
            except (bson.errors.BSONError, ValueError, OverflowError, TypeError) as error:
                row = InvalidRow(f"{path.name}:{number}", f"not readable: {first_line(error)}", None)
            yield number, row


def _documents(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Yield the encoded documents of a file."""
    number = 0
    while head := file.read(LENGTH):
        number += 1
        length = int.from_bytes(head, "little")
        if len(head) == LENGTH < length <= LARGEST:
            content = head + file.read(length - LENGTH)
            if len(content) == length:
                yield content
                continue
        raise AssayError(f"{path} is damaged or cut off in document {number}; dump the collection again")
