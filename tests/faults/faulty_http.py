"""An HTTP proxy on loopback that breaks some responses of the server behind it."""

import http.client
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

# 500, 429: answered without asking the server. down: no answer. lost: the server did it, and its answer is lost.
# slow: later than the client waits.
Fault = Literal["500", "429", "down", "lost", "slow"]
SLOW_S = 6.5
_OF_THE_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class FaultyProxy:
    """A proxy to a local port; `faults` maps the number of a request, from 1, to its fault."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.faults: Callable[[int], Fault | None] = lambda number: None
        self.requests: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.proxy = self  # type: ignore[attr-defined]

    @property
    def url(self) -> str:
        """Return the address for clients."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def begin(self, faults: Callable[[int], Fault | None]) -> None:
        """Restart the count, with other faults."""
        with self._lock:
            self.requests, self.faults = [], faults

    def next_fault(self, what: str) -> Fault | None:
        """Count a request and return its fault."""
        with self._lock:
            self.requests.append(what)
            return self.faults(len(self.requests))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        proxy: FaultyProxy = self.server.proxy  # type: ignore[attr-defined]
        body = self._body()
        fault = proxy.next_fault(f"{self.command} {self.path.partition('?')[0]}")
        if fault in ("500", "429"):
            self._answer(int(fault), [("Content-Type", "text/plain")], b"broken on purpose")
        elif fault == "down":
            self.close_connection = True
        else:
            status, headers, content = self._forward(proxy.target, body)
            if fault == "slow":
                time.sleep(SLOW_S)
            if fault == "lost":
                self.close_connection = True
            else:
                self._answer(status, headers, content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815  # names that http.server asks for

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _forward(self, port: int, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_HOP | {"host"}}
        connection.request(self.command, self.path, body or None, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response.getheaders(), content

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        try:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _OF_THE_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *values: Any) -> None:
        """Log nothing: the requests are in `requests`."""
