"""A stand-in for MongoDB that is faster than any reader: a million parse documents, encoded before the first query.

It serves one collection by the wire protocol, sorted by `_id`, and the only filter it supports resumes after the
`_id` of a `$gt`. Run it as a separate process, so that it takes no time from the reader:

    python -m benchmarks.volume_server 1000000
"""

import functools
import itertools
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from demo.collection_store import HELLO
from demo.virtual import virtual_documents
from demo.wire import WireServer

TEMPLATES = 20_000
ROWS_PER_BATCH = 1_000
WORD = "qzqzqzqz"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, uuid_representation=UuidRepresentation.STANDARD)
# In MongoDB's sort order of types; each contains the number of the document.
ID_TYPES: tuple[Callable[[int], Any], ...] = (
    int,
    lambda number: f"{number:09d}",
    lambda number: UUID(int=number),
    lambda number: bson.ObjectId(f"{number:024x}"),
    lambda number: BEGIN + timedelta(seconds=number),
)


class EncodedStore:
    """Responses to hello, find and getMore over documents that are already encoded.

    The cursor is lost every `break_every` documents, unless it is 0.
    """

    def __init__(self, count: int, break_every: int = 0) -> None:
        self._count = count
        self._break_every = break_every
        self._elements = bytearray()
        self._starts = array("Q", [0])
        self._cursors: dict[int, int] = {}
        self._numbers = itertools.count(1)
        for index, document in enumerate(encoded_documents(count)):
            self._elements += b"\x03%d\0" % (index % ROWS_PER_BATCH) + document
            self._starts.append(len(self._elements))

    def respond(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to a command."""
        name = next(iter(command))
        if name in ("hello", "ismaster", "isMaster"):
            return {**HELLO, "ok": 1.0}
        if name == "find":
            return self._batch("firstBatch", next(self._numbers), _position(command.get("filter") or {}))
        if name == "getMore" and (at := self._cursors.pop(command["getMore"], None)) is not None:
            return self._batch("nextBatch", command["getMore"], at)
        if name == "getMore":
            return {"ok": 0.0, "code": 43, "codeName": "CursorNotFound", "errmsg": "lost on purpose"}
        return {"ok": 1.0}

    def _batch(self, name: str, cursor: int, begin: int) -> dict[str, Any]:
        end = min(self._count, begin - begin % ROWS_PER_BATCH + ROWS_PER_BATCH)
        elements = bytes(memoryview(self._elements)[self._starts[begin] : self._starts[end]])
        over = end == self._count
        if not over and not (self._break_every and end % self._break_every == 0):
            self._cursors[cursor] = end
        fields = b"\x12id\0" + struct.pack("<q", 0 if over else cursor) + b"\x02ns\0\x0c\0\0\0volume.news\0"
        return {
            "cursor": RawBSONDocument(_document(fields + b"\x04%s\0" % name.encode() + _document(elements))),
            "ok": 1.0,
        }


def encoded_documents(count: int) -> Iterator[bytes]:
    """Generate parse documents with `_id`s of five types in order; each sentence ends in a unique word."""
    parts = [template.split(WORD.encode()) for template in _templates()]
    for number in range(count):
        pieces = parts[number % len(parts)]
        head = bson.encode({"_id": ID_TYPES[number * len(ID_TYPES) // count](number)}, codec_options=OPTIONS)[4:-1]
        yield _document(head + _word(number).join(pieces))


@functools.cache
def _templates() -> list[bytes]:
    """Return the projected fields after `_id` of generated documents, with a placeholder for the word."""
    generated = virtual_documents(2 * TEMPLATES, seed=7)
    documents = (document for document in generated if not document["isRepost"] and document.get("Parse"))
    return [_template(document) for document in itertools.islice(documents, TEMPLATES)]


def _template(document: dict[str, Any]) -> bytes:
    sentences = document["Parse"] if isinstance(document["Parse"], list) else []
    for sentence in sentences:
        if isinstance(sentence, dict) and isinstance(sentence.get("Text"), str):
            sentence["Text"] += f" ({WORD})"
    return bson.encode({name: document[name] for name in ("source", "isRepost", "Parse")})[4:-1]


def _word(number: int) -> bytes:
    """Return a word of eight letters: texts that differ only in digits are near-duplicates."""
    letters = []
    for _ in WORD:
        number, letter = divmod(number, len(LETTERS))
        letters.append(LETTERS[letter])
    return "".join(letters).encode()


def _document(body: bytes) -> bytes:
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _position(filter_: Any) -> int:
    """Return the position after the `_id` in the `$gt` of the filter."""
    if isinstance(filter_, dict):
        if "$gt" in filter_:
            return _number(filter_["$gt"]) + 1
        return max(map(_position, filter_.values()), default=0)
    return max(map(_position, filter_), default=0) if isinstance(filter_, list) else 0


def _number(value: Any) -> int:
    if isinstance(value, bson.ObjectId):
        return int(str(value), 16)
    if isinstance(value, bytes):
        return int.from_bytes(value, "big")
    if isinstance(value, datetime):
        return int((value.replace(tzinfo=UTC) - BEGIN).total_seconds())
    return int(value)


def main() -> None:
    """Serve until the input ends; the first line out is the address."""
    store = EncodedStore(*map(int, sys.argv[1:]))
    with WireServer(store) as server:
        print(server.uri, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
