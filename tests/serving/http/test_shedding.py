"""Refusals that are sent before the application hears of the request."""

import json
import socket
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.bundle import Bundle
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
