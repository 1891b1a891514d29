"""Refusals that the connection sends before the application receives the request."""

import asyncio
import json
import socket
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assay.serving.bundle import Bundle
from assay.serving.http.active_model import ActiveModel, load_model
from assay.serving.http.batcher import Batcher
from assay.serving.http.connection import GuardedConnection
from assay.serving.http.cost import BatchCost
from assay.serving.http.model_calls import ModelCalls
from assay.serving.http.model_set import ModelSet
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Limits
from assay.serving.http.shedding import Shedder
from tests.serving.http.conftest import Listen, Listening
from tests.serving.http.test_waiting import connected, post
from tests.waiting import wait_until


class Clock:
    """A clock that stands still unless it is advanced."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that the shedder reads."""
    clock = Clock()
    monkeypatch.setattr("assay.serving.http.shedding.time", clock)
    return clock


def receive(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Receive a response, and return its status, headers and body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return int(first.split()[1]), headers, body


def admits(shedder: Shedder) -> bool:
    """Send a request to the shedder, and return whether it was admitted."""
    admitted = shedder.refuse(b"/predict", []) is None
    if admitted:
        shedder.admit()
    return admitted


def refused(server: Listening, protocol: str, reason: str = "overloaded") -> float:
    families = text_string_to_metric_families(server.metrics.render().decode())
    samples = [sample for family in families for sample in family.samples if sample.name.endswith("failure_total")]
    labels = {"protocol": protocol, "reason": reason}
    return sum(sample.value for sample in samples if sample.labels == labels)


def test_shedder_sends_a_complete_response_and_keeps_the_connection(full: Listening) -> None:
    with connected(full) as connection:
        for number in (1, 2, 3):
            connection.sendall(post("good"))
            status, headers, body = receive(connection)
            assert status == 429
            assert int(headers["retry-after"]) >= 1
            assert headers["content-type"] == "application/json"
            assert headers["x-content-type-options"] == "nosniff"
            assert "try again" in json.loads(body)["error"]
            assert refused(full, "predict") == number
        full.batcher._submitted_tokens -= 10**9
        connection.sendall(post("good"))
        assert receive(connection)[0] == 200
        full.batcher._submitted_tokens += 10**9


def test_shedder_counts_and_logs_the_path_without_the_query(listen: Listen, toy: Bundle, tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    server = listen(toy, access_log=str(log))
    server.batcher._submitted_tokens += 10**9
    with connected(server) as connection:
        connection.sendall(post("good").replace(b"POST /predict ", b"POST /predict?threshold=0.5&text=secret "))
        assert receive(connection)[0] == 429
    server.batcher._submitted_tokens -= 10**9
    assert refused(server, "predict") == 1
    wait_until(lambda: bool(log.read_bytes()))
    assert json.loads(log.read_bytes())["path"] == "/predict"


def test_shedder_refuses_each_pipelined_request(full: Listening) -> None:
    with connected(full) as connection:
        connection.sendall(post("good") * 3)
        received = b""
        while received.count(b"HTTP/1.1 429") < 3:
            received += connection.recv(65536)


def test_shedder_admits_requests_without_inference(full: Listening) -> None:
    with connected(full) as connection:
        connection.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert receive(connection)[0] == 200


def test_shedder_leaves_deadlines_and_closing_connections_to_the_application(full: Listening) -> None:
    for headers in ("X-Deadline-Ms: 500\r\n", "Connection: close\r\n"):
        with connected(full) as connection:
            connection.sendall(post("good", headers=headers))
            assert receive(connection)[0] == 429


def test_connection_limits_the_size_of_a_refused_body(full: Listening) -> None:
    with connected(full) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 6000
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.usefixtures("clock")
def test_shedder_counts_requests_that_are_read_before_they_wait(toy: Bundle) -> None:
    # Given rows that add 0.1 s each to the wait, and a limit of 0.55 s,
    metrics = ServerMetrics()
    batcher = Batcher(1, 65_536, metrics)
    model = load_model(toy)
    model.cost = BatchCost()
    model.cost.seconds_per_token, model.cost.tokens_per_row = 0.01, 10.0
    shedder = Shedder(ModelCalls(ModelSet(ActiveModel(model)), batcher, Limits(deadline=1.1), metrics), metrics)

    async def arrive(count: int) -> int:
        return sum(admits(shedder) for _ in range(count))

    async def arrive_often() -> list[int]:
        admitted = []
        for _ in range(4):
            admitted.append(await arrive(20))
            await asyncio.sleep(0)
        return admitted

    try:
        # then the counter starts again each time that the event loop has run tasks.
        assert asyncio.run(arrive_often()) == [6, 6, 6, 6]
    finally:
        batcher.stop()


def test_shedder_counts_the_wait_for_the_event_loop(toy: Bundle, clock: Clock) -> None:
    # Given an idle queue, and a limit of 0.5 s,
    metrics = ServerMetrics()
    batcher = Batcher(1, 65_536, metrics)
    shedder = Shedder(
        ModelCalls(ModelSet(ActiveModel(load_model(toy))), batcher, Limits(deadline=1.0), metrics), metrics
    )

    async def arrive(count: int, seconds: float, iterations: int) -> list[int]:
        """Return how many requests of each iteration are admitted, whose tasks take a time each."""
        admitted = []
        for _ in range(iterations):
            admitted.append(sum(admits(shedder) for _ in range(count)))
            asyncio.get_running_loop().call_soon(clock.advance, admitted[-1] * seconds)
            for _ in range(3):
                await asyncio.sleep(0)
        return admitted

    try:
        # when short pauses come with one request each, then many requests are admitted: each need not take that long,
        assert asyncio.run(arrive(1, 0.05, iterations=2)) == [1, 1]
        assert asyncio.run(arrive(64, 0.0, iterations=1)) == [64]
        # after a long pause the next request is admitted,
        assert asyncio.run(arrive(1, 0.35, iterations=2)) == [1, 1]
        # and of many requests, whose tasks take 10 ms each, as many are admitted as can be answered in time.
        later = asyncio.run(arrive(100, 0.01, iterations=8))[2:]
        assert sum(later) / len(later) > 5
        assert max(later) < 50
    finally:
        batcher.stop()


def test_connection_closes_after_refusals_and_silence(
    listen: Listen, toy: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given connections that close after 1,000 s of silence, and a client that is refused from time to time,
    monkeypatch.setattr("assay.serving.http.server_lifecycle.KEEP_ALIVE_SECONDS", 1000)
    server = listen(toy)
    server.batcher._submitted_tokens += 10**9
    with connected(server) as connection:
        connection.sendall(post("good"))
        assert receive(connection)[0] == 429
        [guarded] = server.server.server_state.connections
        assert isinstance(guarded, GuardedConnection)
        wait_until(lambda: guarded.timeout_keep_alive_task)
        # when 1,000 s after the first refusal the last request was a while ago, then the connection stays open
        guarded._arrived -= 1
        guarded.loop.call_soon_threadsafe(guarded.timeout_keep_alive_handler)
        connection.sendall(post("good"))
        assert receive(connection)[0] == 429
        # and closes once that request is as old.
        guarded._arrived -= 1000
        guarded.loop.call_soon_threadsafe(guarded.timeout_keep_alive_handler)
        assert connection.recv(100) == b""
    server.batcher._submitted_tokens -= 10**9


def test_connection_stops_reading_from_a_client_that_reads_no_responses(full: Listening) -> None:
    with connected(full) as connection:
        # Given a client that only sends requests, then at some point the server takes no more of them,
        data, sent = post("good") * 1_000, 0
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            while sent < 100_000_000:
                sent += connection.send(data[sent % len(data) :])
        # and goes on once the client reads.
        connection.settimeout(60)
        mark, count, last = b"HTTP/1.1 429 ", 0, b""
        while count < sent // len(post("good")):
            last = last[-len(mark) + 1 :] + connection.recv(1 << 20)
            count += last.count(mark)


def test_connection_closes_if_a_refused_body_never_ends(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, body_seconds=0.2)
    server.batcher._submitted_tokens += 10**9
    with connected(server) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n")
        assert connection.recv(100) == b""


def test_connection_takes_no_body_for_a_request(full: Listening) -> None:
    # Given a request with a response before its body is sent,
    with connected(full) as connection:
        body = post("good")
        head = f"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Deadline-Ms: 500\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode())
        assert receive(connection)[0] == 404
        # then the body is not a request, and the next request has a response.
        connection.sendall(body)
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert receive(connection)[0] == 200
