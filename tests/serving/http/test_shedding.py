"""Refusals that are sent before the application hears of the request."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assay.serving.bundle import Bundle
from assay.serving.http.active_model import ActiveModel, load_model
from assay.serving.http.batcher import Batcher
from assay.serving.http.cost import BatchCost
from assay.serving.http.model_calls import ModelCalls
from assay.serving.http.server_metrics import Metrics
from assay.serving.http.server_settings import Limits
from assay.serving.http.shedding import Shedder
from tests.serving.http.conftest import Listen, Listening
from tests.serving.http.test_waiting import connected, post


@pytest.fixture
def full(listen: Listen, toy: Bundle) -> Iterator[Listening]:
    """A server whose queue seems longer than it can ever answer."""
    server = listen(toy, body=5000)
    server.batcher._waiting_tokens += 10**9
    yield server
    server.batcher._waiting_tokens -= 10**9


def receive(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return int(first.split()[1]), headers, body


def refused(server: Listening, protocol: str) -> float:
    families = text_string_to_metric_families(server.metrics.render().decode())
    samples = [one for family in families for one in family.samples if one.name.endswith("request_failure_total")]
    wanted = {"protocol": protocol, "reason": "overloaded"}
    return sum(one.value for one in samples if one.labels == wanted)


def test_a_refusal_is_a_whole_answer_and_the_connection_goes_on(full: Listening) -> None:
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
        full.batcher._waiting_tokens -= 10**9
        connection.sendall(post("good"))
        assert receive(connection)[0] == 200
        full.batcher._waiting_tokens += 10**9


def test_requests_that_follow_each_other_without_a_pause_are_each_refused(full: Listening) -> None:
    with connected(full) as connection:
        connection.sendall(post("good") * 3)
        received = b""
        while received.count(b"HTTP/1.1 429") < 3:
            received += connection.recv(65536)


def test_what_computes_nothing_is_answered_as_ever(full: Listening) -> None:
    with connected(full) as connection:
        connection.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert receive(connection)[0] == 200


def test_who_can_wait_or_wants_no_further_answer_is_heard_by_the_application(full: Listening) -> None:
    for headers in ("X-Deadline-Ms: 500\r\n", "Connection: close\r\n"):
        with connected(full) as connection:
            connection.sendall(post("good", headers=headers))
            assert receive(connection)[0] == 429


def test_a_refused_body_is_not_read_without_end(full: Listening) -> None:
    with connected(full) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 6000
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_requests_that_are_read_at_once_are_counted_before_they_wait(toy: Bundle) -> None:
    # each alone would have to wait for 0.1 s, and half a second is allowed
    metrics = Metrics()
    batcher = Batcher(1, 512, 65_536, metrics)
    model = load_model(toy)
    model.cost = BatchCost()
    model.cost.seconds_per_token, model.cost.tokens_per_row = 0.01, 10.0
    shedder = Shedder(ModelCalls(ActiveModel(model), batcher, Limits(deadline=1.0), metrics), metrics)

    async def arrive(count: int) -> int:
        return sum(shedder.refuse(b"/predict", []) is None for _ in range(count))

    async def arrive_twice() -> tuple[int, int]:
        first = await arrive(20)
        await asyncio.sleep(0)
        return first, await arrive(20)

    try:
        # once the event loop has run what they began, they are known by the queue itself
        assert asyncio.run(arrive_twice()) == (6, 6)
    finally:
        batcher.stop()


def test_a_connection_that_is_only_refused_is_closed_when_it_falls_silent(
    listen: Listen, toy: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.serving.http.server_lifecycle.KEEP_ALIVE_SECONDS", 1)
    server = listen(toy)
    server.batcher._waiting_tokens += 10**9
    with connected(server) as connection:
        for _ in range(2):
            connection.sendall(post("good"))
            assert receive(connection)[0] == 429
        # behind the end of the clock as the first answer set it
        for _ in range(2):
            time.sleep(0.7)
            connection.sendall(post("good"))
            assert receive(connection)[0] == 429
        begun = time.monotonic()
        connection.settimeout(10)
        assert connection.recv(100) == b""
        assert 0.5 < time.monotonic() - begun < 5
    server.batcher._waiting_tokens -= 10**9


def test_a_refused_body_that_never_ends_is_given_up(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, body_seconds=0.2)
    server.batcher._waiting_tokens += 10**9
    with connected(server) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n")
        assert connection.recv(100) == b""


def test_a_body_that_looks_like_a_request_is_none(full: Listening) -> None:
    # given a request that is answered before its body has come
    with connected(full) as connection:
        body = post("good")
        head = f"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Deadline-Ms: 500\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode())
        assert receive(connection)[0] == 404
        # then the body is no request of its own, and the next request is answered
        connection.sendall(body)
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert receive(connection)[0] == 200
