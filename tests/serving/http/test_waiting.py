"""Overload, clients that disconnect, and slow clients, on a real socket."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from assay.serving.bundle import Bundle
from tests.serving.http.conftest import LOCAL, Listen, Listening
from tests.waiting import wait_until

LONG = "good " * 60


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


def test_server_refuses_requests_that_would_wait_too_long(listen: Listen, heavy: Bundle) -> None:
    server = listen(heavy, deadline=0.3)

    async def flood() -> list[tuple[httpx.Response, float]]:
        limits = httpx.Limits(max_connections=80)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=30) as client:

            async def ask() -> tuple[httpx.Response, float]:
                begin = time.monotonic()
                return await client.post("/predict", json={"text": LONG}), time.monotonic() - begin

            return await asyncio.gather(*(ask() for _ in range(80)))

    responses = asyncio.run(flood())
    refused = [response for response, _ in responses if response.status_code == 429]
    good = [response for response, _ in responses if response.status_code == 200]
    assert good
    assert len(good) < len(responses)
    assert {response.status_code for response, _ in responses} <= {200, 429, 504}
    assert refused
    for response in refused:
        assert int(response.headers["retry-after"]) >= 1
        assert "try again" in response.json()["error"]
    # After the flood, requests are admitted again.
    wait_until(lambda: server.batcher.waiting_rows == 0 and server.batcher._running_tokens == 0)
    patient = {"X-Deadline-Ms": "60000"}
    assert httpx.post(f"{server.url}/predict", json={"text": LONG}, headers=patient, timeout=60).status_code == 200


def test_server_refuses_requests_if_its_queue_is_full(listen: Listen, heavy: Bundle) -> None:
    server = listen(heavy, deadline=60, queue_tokens=50)
    with connected(server) as many:
        many.sendall(post_rows([LONG] * 80))
        wait_until(lambda: server.batcher.waiting_tokens >= 50)
        # The long request waits in chunks: on a busy machine a short one may arrive between two of them.
        wait_until(lambda: httpx.post(f"{server.url}/predict", json={"text": "good"}, timeout=60).status_code == 429)
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
    with connected(server) as silent, connected(server) as head, connected(server) as body:
        head.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0")
        body.sendall(post("good")[:-3])
        assert silent.recv(100).startswith(b"HTTP/1.1 408")
        assert head.recv(100).startswith(b"HTTP/1.1 408")
        assert body.recv(100).startswith(b"HTTP/1.1 408")


def test_connection_restarts_the_header_timer_per_request(listen: Listen, toy: Bundle) -> None:
    server = listen(toy, header_seconds=0.4)
    with connected(server) as connection:
        for _ in range(3):
            connection.sendall(post("good"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            time.sleep(0.3)
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
    server = listen(toy, header=500, header_seconds=0.2)
    with connected(server) as connection:
        for size in (10, 5000):
            head = f"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 404")
            connection.sendall(b"x" * size)
            time.sleep(0.3)  # no 408 for late headers
            connection.sendall(post("good"))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_server_leaves_room_beside_a_long_request(listen: Listen, heavy: Bundle) -> None:
    server = listen(heavy, deadline=60)

    async def ask() -> tuple[float, float]:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            begin = time.monotonic()

            async def timed(texts: list[str], wait: float) -> float:
                await asyncio.sleep(wait)
                assert (await client.post("/predict", json={"texts": texts})).status_code == 200
                return time.monotonic() - begin

            return await asyncio.gather(timed([LONG] * 100, 0), timed(["good"], 0.05))

    long_seconds, short_seconds = asyncio.run(ask())
    # The short request arrives later, and ends long before the long one: without that room, it would end after it.
    assert short_seconds < long_seconds / 2


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
