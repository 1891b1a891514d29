"""A MongoDB stand-in on a local socket, for the demo and for tests without a server.

It supports enough of the wire protocol (OP_MSG, and OP_QUERY for the first hello) for pymongo to insert, find with
batches, count, aggregate, update and drop. Responses come from mongomock. The stand-in is no proof of the behaviour of
MongoDB: it has no transactions, indexes, users or replica sets.
"""

import contextlib
import itertools
import socket
import socketserver
import struct
import threading
from types import TracebackType
from typing import Any, Self

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

from demo.collection_store import ConnectionCutError, Faults, Store

OP_REPLY = 1
OP_QUERY = 2004
OP_MSG = 2013
CHECKSUM_PRESENT = 1
# Dates outside the range of Python's years are valid in MongoDB.
ANY_DATE: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
MORE_TO_COME = 2
HEADER = struct.Struct("<iiii")


class WireServer:
    """A server for one store, on a free port of this machine, for the duration of its `with` block."""

    def __init__(self, store: Any = None) -> None:
        """Create a server.

        Args:
            store: object whose `respond` returns the response to a command. None: an empty collection store.
        """
        self._store = store or Store()
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._server.store = self._store
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def uri(self) -> str:
        """Return the address for pymongo."""
        return f"mongodb://127.0.0.1:{self._server.server_address[1]}"

    def break_cursor_after(self, documents: int, *, times: int = 1, cut: bool = False) -> None:
        """Break cursors: each time the given number of documents was sent, the next getMore fails.

        Args:
            documents: number of documents between faults.
            times: number of faults.
            cut: close the connection instead of responding with CursorNotFound.
        """
        self._store.faults = Faults(documents, times, cut)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_connections()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    store: Any

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._connections: set[socket.socket] = set()
        self.reply_numbers = itertools.count(1)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self._connections):
            # The client or the thread of the connection may have closed it already.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        # A client that disconnects must not stop the server.
        with contextlib.suppress(ConnectionError, ConnectionCutError):
            while (message := self._receive()) is not None:
                self._respond(*message)

    def _receive(self) -> tuple[int, int, bytes] | None:
        """Return number, operation and body of the next message; None at the end of the stream."""
        header = self.rfile.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        length, number, _, operation = HEADER.unpack(header)
        return number, operation, self.rfile.read(length - HEADER.size)

    def _respond(self, number: int, operation: int, body: bytes) -> None:
        if operation == OP_MSG:
            (flags,) = struct.unpack_from("<I", body)
            reply = self.server.store.respond(_command(body, flags))
            if not flags & MORE_TO_COME:
                self._send(number, OP_MSG, struct.pack("<IB", 0, 0) + bson.encode(reply))
        elif operation == OP_QUERY:
            name_end = body.index(b"\0", 4)
            (length,) = struct.unpack_from("<i", body, name_end + 9)
            command = bson.decode(body[name_end + 9 : name_end + 9 + length])
            reply = self.server.store.respond({**command, "$db": "admin"})
            self._send(number, OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(reply))
        else:
            raise ConnectionCutError

    def _send(self, response_to: int, operation: int, body: bytes) -> None:
        header = HEADER.pack(HEADER.size + len(body), next(self.server.reply_numbers), response_to, operation)
        self.wfile.write(header + body)


def _command(body: bytes, flags: int) -> dict[str, Any]:
    """Return the command of an OP_MSG, with its document sequences inserted as lists."""
    end = len(body) - (4 if flags & CHECKSUM_PRESENT else 0)
    command: dict[str, Any] = {}
    sequences: dict[str, list[dict[str, Any]]] = {}
    at = 4
    while at < end:
        kind = body[at]
        (size,) = struct.unpack_from("<i", body, at + 1)
        section = body[at + 1 : at + 1 + size]
        if kind == 0:
            command = bson.decode(section)
        else:
            name, _, documents = section[4:].partition(b"\0")
            sequences[name.decode()] = bson.decode_all(documents, ANY_DATE)
        at += 1 + size
    return command | sequences
