"""A lean load generator: keep-alive sockets of the event loop, prepared requests, responses parsed afterwards.

`python -m benchmarks.http_load PORT PATH BODIES --clients 64` sends each line of the file BODIES once; every client
sends its next request after the response to its last one. With `--rate R --seconds S`, requests are sent at that rate
without waiting for responses (an open loop), on as many connections as necessary. The report is one line of JSON.
"""

import argparse
import asyncio
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import cast

import uvloop

HOST = "127.0.0.1"
_REFUSED = b"HTTP/1.1 429"


@dataclass
class Outcome:
    """Responses (number of the request, status, seconds, body), and counts of broken and unsent requests."""

    responses: list[tuple[int, int, float, bytes]] = field(default_factory=list)
    broken: int = 0
    unsent: int = 0
    in_time: int = 0  # successful responses that came before the sending ended
    sending: bool = True


class Connection(asyncio.Protocol):
    """One client: sends a request, and calls back with its response."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._received = b""
        self._number = -1
        self._begun = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection as free."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are not derived from it
        self._load.free(self)

    def send(self, number: int, request: bytes) -> None:
        """Send one request; the connection is busy until its response is complete."""
        assert self.transport is not None
        self._number, self._begun = number, time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Record the response when it is complete."""
        if not self._received and data.startswith(_REFUSED) and data.endswith(b"}"):
            # Short, and the most frequent case while the server is overloaded: it must be cheap.
            self._note(429, b"")
            return
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end].lower()
        place = head.find(b"content-length:")
        size = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(self._received) < end + 4 + size:
            return
        body, self._received = self._received[end + 4 :], b""
        self._note(int(head[9:12]), body)

    def _note(self, status: int, body: bytes) -> None:
        outcome = self._load.outcome
        outcome.responses.append((self._number, status, time.perf_counter() - self._begun, body))
        outcome.in_time += status == 200 and outcome.sending
        self._number = -1
        self._load.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Count a request in flight as broken."""
        if self._number >= 0:
            self._load.outcome.broken += 1
        self._load.lost(self)


class Load:
    """All requests of one measurement."""

    def __init__(self, port: int, path: str, bodies: list[bytes]) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\nContent-Length: "
        self._requests = [head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]
        self._port = port
        self._idle: deque[Connection] = deque()
        self._connections = 0
        self._closed_loop = False
        self._left: deque[int] = deque()
        self._done = asyncio.Event()
        self.outcome = Outcome()

    async def run_closed(self, clients: int) -> float:
        """Send each request once, with a fixed concurrency. Returns: the elapsed seconds."""
        await self._connect(clients)
        self._left.extend(range(len(self._requests)))
        self._closed_loop = True
        begun = time.perf_counter()
        for connection in [*self._idle]:
            self.free(connection)
        await self._done.wait()
        return time.perf_counter() - begun

    async def run_open(self, rate: float, seconds: float, most_connections: int) -> float:
        """Send requests at a rate; requests without a free connection are counted as unsent."""
        await self._connect(most_connections)
        numbers = cycle(range(len(self._requests)))
        begun, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - begun) < seconds:
            while sent < now * rate:
                sent += 1
                number = next(numbers)
                if self._idle:
                    self._idle.popleft().send(number, self._requests[number])
                else:
                    self.outcome.unsent += 1
            await asyncio.sleep(0.001)
        passed = time.perf_counter() - begun
        # Later responses were queued: they do not count for this time.
        self.outcome.sending = False
        while len(self._idle) < self._connections:
            await asyncio.sleep(0.01)
        return passed

    def free(self, connection: Connection) -> None:
        """Mark the connection as free for its next request."""
        if not self._closed_loop:
            self._idle.append(connection)
        elif self._left:
            number = self._left.popleft()
            connection.send(number, self._requests[number])
        elif len(self.outcome.responses) + self.outcome.broken >= len(self._requests):
            self._done.set()

    def lost(self, connection: Connection) -> None:
        """Remove the closed connection."""
        self._connections -= 1
        if self._closed_loop and len(self.outcome.responses) + self.outcome.broken >= len(self._requests):
            self._done.set()

    async def _connect(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            await loop.create_connection(lambda: Connection(self), HOST, self._port)
            self._connections += 1


def summarise(outcome: Outcome, seconds: float, cpu: float, file: Path | None) -> dict[str, object]:
    """Return the report for the benchmark."""
    good = sorted(passed for _, status, passed, _ in outcome.responses if status == 200)
    refused = sorted(passed for _, status, passed, _ in outcome.responses if status == 429)
    if file:
        bodies = {number: body.decode() for number, status, _, body in outcome.responses if status == 200}
        file.write_text(json.dumps(bodies), encoding="utf-8")
    return {
        "seconds": seconds,
        "cpu_share": cpu / seconds,
        "good": len(good),
        "statuses": Counter(status for _, status, _, _ in outcome.responses),
        "broken": outcome.broken,
        "sent": len(outcome.responses) + outcome.broken,
        "unsent": outcome.unsent,
        "in_time": outcome.in_time,
        "p50": quantile(good, 0.5),
        "p99": quantile(good, 0.99),
        "longest": good[-1] if good else None,
        "refused_p50": quantile(refused, 0.5),
        "refused_p99": quantile(refused, 0.99),
    }


def quantile(values: list[float], share: float) -> float | None:
    """Return a quantile of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


def main() -> None:
    """Generate load, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--limit", type=float, default=60.0, help="timeout in seconds")
    parser.add_argument("--responses", type=Path, help="file for the bodies of the responses")
    arguments = parser.parse_args()
    bodies = arguments.bodies.read_bytes().splitlines()

    async def run() -> dict[str, object]:
        load = Load(arguments.port, arguments.path, bodies)
        cpu = time.process_time()
        if arguments.rate is None:
            seconds = await load.run_closed(arguments.clients)
        else:
            seconds = await load.run_open(arguments.rate, arguments.seconds, arguments.clients)
        return summarise(load.outcome, seconds, time.process_time() - cpu, arguments.responses)

    async def run_within() -> dict[str, object]:
        # A measurement that hangs would block all others.
        async with asyncio.timeout(arguments.limit):
            return await run()

    print(json.dumps(uvloop.run(run_within())))


if __name__ == "__main__":
    main()
