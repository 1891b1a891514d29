"""A lean load generator: keep-alive sockets, prepared requests, responses parsed afterwards.

`python -m benchmarks.http_load PORT PATH BODIES --clients 64` sends each line of the file BODIES once; every client
sends its next request after the response to its last one. With `--rate R --seconds S`, requests are sent at that rate
without waiting for responses (an open loop), on as many connections as necessary. The report is one line of JSON.

Remote clients would take no time of the server's cores, so this one takes as little as possible: in an open loop it
looks for responses at intervals, since a process that waits for each of them is woken by each of them, and the kernel
counts that as time of the server.
"""

import argparse
import json
import select
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

HOST = "127.0.0.1"
HEALTH = f"GET /ping HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
_REFUSED = b"HTTP/1.1 429"
_BUFFER = 65_536
# Seconds between two looks at the responses in an open loop: by so much they may seem to be late.
_INTERVAL = 0.005


@dataclass
class Outcome:
    """Responses (number of the request, status, seconds, body), and counts of broken and unsent requests."""

    responses: list[tuple[int, int, float, bytes]] = field(default_factory=list)
    broken: int = 0
    unsent: int = 0
    in_time: int = 0  # successful responses that came before the sending ended


class Connection:
    """One client: sends a request, and receives its response."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = -1
        self.begun = 0.0
        self._received = b""

    def send(self, number: int, request: bytes) -> None:
        """Send one request; the connection is busy until its response is complete."""
        self.number, self.begun = number, time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> tuple[int, bytes] | None:
        """Receive what has arrived.

        Returns:
            Status and body of the response if it is complete.

        Raises:
            ConnectionError: the server has closed the connection.
        """
        data = self.socket.recv(_BUFFER)
        if not data:
            raise ConnectionError
        if not self._received and data.startswith(_REFUSED) and data.endswith(b"}"):
            # Short, and the most frequent case while the server is overloaded: it must be cheap.
            return 429, b""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._received[:end].lower()
        place = head.find(b"content-length:")
        size = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(self._received) < end + 4 + size:
            return None
        body, self._received = self._received[end + 4 :], b""
        return int(head[9:12]), body


class Load:
    """All requests of one measurement."""

    def __init__(self, port: int, path: str, bodies: list[bytes], clients: int, limit: float) -> None:
        """Connect the clients.

        Args:
            port: port of the server.
            path: path of the requests.
            bodies: their bodies.
            clients: number of connections.
            limit: seconds after which the measurement fails: one that hangs would block all others.
        """
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\nContent-Length: "
        self._requests = [head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body for body in bodies]
        self._end = time.perf_counter() + limit
        self._connections = {each.socket.fileno(): each for each in (Connection(port) for _ in range(clients))}
        self._idle = deque(self._connections.values())
        self._readable = select.epoll()
        for number in self._connections:
            self._readable.register(number, select.EPOLLIN)
        self.outcome = Outcome()

    def run_closed(self) -> float:
        """Send each request once, each client one after another. Returns: the elapsed seconds."""
        begun = time.perf_counter()
        for number in range(len(self._requests)):
            while not self._idle and self._connections:
                self._receive(1.0)
            self._send(number)
        self._receive_all()
        return time.perf_counter() - begun

    def run_open(self, rate: float, seconds: float) -> float:
        """Send requests at a rate; requests without a free connection are counted as unsent."""
        numbers = cycle(range(len(self._requests)))
        begun, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - begun) < seconds:
            while sent < now * rate:
                sent += 1
                self._send(next(numbers))
            time.sleep(_INTERVAL)
            self._receive(0.0)
        passed = time.perf_counter() - begun
        # Later responses were queued: they do not count for this time.
        self.outcome.in_time = sum(status == 200 for _, status, _, _ in self.outcome.responses)
        self._receive_all()
        return passed

    def use_each_connection(self) -> None:
        """Ask each connection for the health of the server: accepting connections must not count as load."""
        for _ in range(len(self._connections)):
            self._idle.popleft().send(0, HEALTH)
            self._receive_all()
        self.outcome = Outcome()

    def _send(self, number: int) -> None:
        if not self._idle:
            self.outcome.unsent += 1
            return
        connection = self._idle.popleft()
        try:
            connection.send(number, self._requests[number])
        except ConnectionError:
            self._lose(connection)

    def _receive_all(self) -> None:
        """Wait for the responses to all requests in flight."""
        while len(self._idle) < len(self._connections):
            self._receive(1.0)

    def _receive(self, seconds: float) -> None:
        """Receive from the connections that are readable, or are so within some seconds."""
        if time.perf_counter() > self._end:
            raise TimeoutError("the responses took too long; look into the log of the server")
        for number, _ in self._readable.poll(seconds):
            connection = self._connections[number]
            try:
                response = connection.receive()
            except ConnectionError:
                self._lose(connection)
                continue
            if response is not None:
                status, body = response
                passed = time.perf_counter() - connection.begun
                self.outcome.responses.append((connection.number, status, passed, body))
                connection.number = -1
                self._idle.append(connection)

    def _lose(self, connection: Connection) -> None:
        """Remove a closed connection, and count its request in flight as broken."""
        del self._connections[connection.socket.fileno()]
        connection.socket.close()
        if connection.number >= 0:
            self.outcome.broken += 1
        else:
            self._idle.remove(connection)


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
    load = Load(arguments.port, arguments.path, bodies, arguments.clients, arguments.limit)
    if arguments.rate is not None:
        load.use_each_connection()
    cpu = time.process_time()
    seconds = load.run_closed() if arguments.rate is None else load.run_open(arguments.rate, arguments.seconds)
    print(json.dumps(summarise(load.outcome, seconds, time.process_time() - cpu, arguments.responses)))


if __name__ == "__main__":
    main()
