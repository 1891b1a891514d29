"""Overload, clients that disconnect, and slow clients, on a real socket."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx

from assay.serving.bundle import Bundle
from assay.serving.engine import Row
from tests.serving.http.conftest import LOCAL, Hold, Listen, Listening
from tests.waiting import PATIENCE_S, wait_until

LONG = "good " * 60
FAILURES = "assay_inference_request_failure_total"
Responding = Future[httpx.Response]


def post(text: str, *, headers: str = "") -> bytes:
    return post_rows([text], headers=headers)


def post_rows(texts: list[str], *, headers: str = "") -> bytes:
    body = json.dumps({"texts": texts}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@contextmanager
def connected(server: Listening) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        yield connection


def computed(server: Listening) -> float:
    """Return the number of computed rows."""
    lines = server.metrics.render().decode().splitlines()
    return float(next(line for line in lines if line.startswith("assay_inference_count_total")).split()[1])


def post_at_once(pool: ThreadPoolExecutor, server: Listening, requests: Sequence[list[str]]) -> list[Responding]:
    """Send requests at the same time, a client each."""
    return [
        pool.submit(httpx.post, f"{server.url}/predict", json={"texts": texts}, timeout=PATIENCE_S)
        for texts in requests
    ]


def test_server_refuses_requests_that_would_wait_too_long(listen: Listen, toy: Bundle, hold: Hold) -> None:
    # Given a model that computes nothing yet, where each row is expected to take 24 s, and requests may wait for 150 s,
    server = listen(toy, deadline=300)
    model = server.active_model.model
    model.cost.seconds_per_token = 24 / len(model.engine.encode([Row(LONG)])[0])
    held = hold(model)
    with ThreadPoolExecutor(80) as pool:
        # when many requests arrive at once,
        responding = post_at_once(pool, server, [[LONG]] * 80)
        wait_until(lambda: server.metric(FAILURES) + server.batcher.waiting_rows + sum(held.sizes) == 80)
        # then those that would wait too long are refused, and the others are predicted.
        held.release()
        responses = [each.result() for each in responding]
    refused = [response for response in responses if response.status_code == 429]
    assert 1 < len(responses) - len(refused) < 10
    assert {response.status_code for response in responses} == {200, 429}
    for response in refused:
        assert int(response.headers["retry-after"]) >= 1
        assert "try again" in response.json()["error"]
    # After the flood, requests are admitted again.
    assert httpx.post(f"{server.url}/predict", json={"text": LONG}, timeout=60).status_code == 200


def test_server_refuses_requests_if_its_queue_is_full(listen: Listen, toy: Bundle, hold: Hold) -> None:
    server = listen(toy, queue_tokens=50, batch_tokens=1)
    held = hold(server.active_model.model)
    with connected(server) as many:
        many.sendall(post_rows([LONG] * 80))
        wait_until(lambda: server.batcher.waiting_tokens >= 50)
        assert httpx.post(f"{server.url}/predict", json={"text": "good"}, timeout=60).status_code == 429
        held.release()
        assert many.recv(12) == b"HTTP/1.1 200"


def test_server_respects_the_deadline_of_a_request(listen: Listen, heavy: Bundle) -> None:
    server = listen(heavy, deadline=0.04)
    with connected(server) as many:
        many.sendall(post_rows([LONG] * 80, headers="X-Deadline-Ms: 60000\r\n"))
        wait_until(lambda: server.batcher.waiting_tokens >= 50)
        assert httpx.post(f"{server.url}/predict", json={"text": "good"}).status_code in (429, 504)
        patient = {"X-Deadline-Ms": "60000"}
        assert (
            httpx.post(f"{server.url}/predict", json={"text": "good"}, headers=patient, timeout=60).status_code == 200
        )
        assert many.recv(12) == b"HTTP/1.1 200"
    assert computed(server) == 81


def test_server_drops_requests_of_disconnected_clients(listen: Listen, heavy: Bundle) -> None:
    server = listen(heavy, deadline=60)
    with connected(server) as first:
        # Many rows keep the model busy until the other clients have disconnected.
        first.sendall(post_rows([LONG] * 40))
        wait_until(lambda: server.batcher._running_tokens > 0)
        for _ in range(5):
            with connected(server) as lost:
                lost.sendall(post(LONG))
        wait_until(lambda: b'reason="gone"} 5.0' in server.metrics.render() or server.batcher.waiting_rows == 0)
        assert first.recv(12) == b"HTTP/1.1 200"
    wait_until(lambda: server.batcher.waiting_rows == 0 and server.batcher._running_tokens == 0)
    assert computed(server) < 45


def test_server_is_not_delayed_by_slow_clients(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, header_seconds=200, body_seconds=200)
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        for number, connection in enumerate(slow):
            half = post("good")[: 20 if number % 2 else -3]
            connection.sendall(half)
        begin = time.monotonic()
        for _ in range(20):
            assert httpx.post(f"{server.url}/predict", json={"text": "good"}).status_code == 200
        assert time.monotonic() - begin < 100
    finally:
        for connection in slow:
            connection.close()


def test_connection_closes_if_headers_or_bodies_never_end(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, header_seconds=0.2, body_seconds=0.2)
    with connected(server) as silent:
        assert silent.recv(100).startswith(b"HTTP/1.1 408")
    wait_until(lambda: not server.server.server_state.connections)
    for begin in (b"POST /predict HTTP/1.1\r\nHost: 127.0", post("good")[:-3]):
        # The client has time to begin: only what it has begun must end soon.
        server.set_limits(header_seconds=600)
        with connected(server) as connection:
            accepted(server)
            server.set_limits(header_seconds=0.2)
            connection.sendall(post("good"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            connection.sendall(begin)
            assert connection.recv(100).startswith(b"HTTP/1.1 408")
        wait_until(lambda: not server.server.server_state.connections)


def accepted(server: Listening) -> Any:
    """Return the connection of the server's only client."""
    wait_until(lambda: server.server.server_state.connections)
    [connection] = server.server.server_state.connections
    return connection


def test_connection_restarts_the_header_timer_per_request(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, header_seconds=600)
    with connected(server) as connection:
        for _ in range(3):
            connection.sendall(post("good"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            assert accepted(server)._timer is None
        server.set_limits(header_seconds=0.2)
        connection.sendall(b"GET /")
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_connection_refuses_large_headers(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, header=2000)
    with connected(server) as whole:
        whole.sendall(post("good", headers=f"X-Long: {'x' * 3000}\r\n"))
        assert whole.recv(100).startswith(b"HTTP/1.1 431")
    with connected(server) as endless:
        endless.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 3000)
        assert endless.recv(100).startswith(b"HTTP/1.1 431")
    with connected(server) as good:
        good.sendall(post("good" * 600))
        assert good.recv(100).startswith(b"HTTP/1.1 200")


def test_connection_skips_the_body_after_an_early_response(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, header=500, header_seconds=600)
    with connected(server) as connection:
        accepted(server)
        server.set_limits(header_seconds=0.2)
        for size in (10, 5000):
            head = f"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 404")
            connection.sendall(b"x" * size)
            time.sleep(0.3)  # no 408 for late headers
            connection.sendall(post("good"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_server_leaves_room_beside_a_long_request(listen: Listen, toy: Bundle, hold: Hold) -> None:
    # Given a long request of one batch per row, and another one that arrives during its first batch,
    server = listen(toy, batch_tokens=1)
    held = hold(server.active_model.model)
    with ThreadPoolExecutor(2) as pool:
        responding = post_at_once(pool, server, [["good good"] * 100])
        wait_until(lambda: held.sizes and server.batcher.waiting_rows)
        waiting = server.batcher.waiting_rows
        responding += post_at_once(pool, server, [["good"]])
        wait_until(lambda: server.batcher.waiting_rows == waiting + 1)
        # when they are computed,
        held.release()
        assert [each.result().status_code for each in responding] == [200, 200]
    # then the short request is among the first batches: without that room, it would be the last one.
    assert len(held.lengths) == 101
    assert held.lengths.index(min(held.lengths)) < 5


def test_connection_closes_after_garbage(listen: Listen, toy: Bundle) -> None:
    server = listen(toy)
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with connected(server) as connection:
            connection.sendall(garbage)
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{LOCAL}:{server.port}/ping").status_code == 200
