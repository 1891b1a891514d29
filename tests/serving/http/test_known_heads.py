"""Heads that are remembered, and requests that connections refuse by them."""

import asyncio
import random
import re
from collections.abc import Sequence
from typing import Any, cast

import pytest
from uvicorn.server import ServerState

from assay.serving.bundle import Bundle
from assay.serving.http.app import make_app
from assay.serving.http.known_heads import KnownHeads
from assay.serving.http.server_lifecycle import configure
from assay.serving.http.server_settings import Settings
from tests.serving.http.conftest import Listening, make_parts
from tests.serving.http.test_shedding import receive, refused
from tests.serving.http.test_waiting import connected, post

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
LENGTH = b"Content-Length: 4\r\n\r\n"
HEADERS = [(b"host", b"localhost"), (b"content-length", b"4")]


def test_known_heads_find_requests_that_differ_in_the_body() -> None:
    heads = KnownHeads()
    heads.add(HEAD + LENGTH + b"good", b"/predict", HEADERS)
    known = heads.find(HEAD + LENGTH + b"poor")
    assert known == (b"/predict", 4)


@pytest.mark.parametrize(
    "data",
    [
        HEAD + LENGTH,
        HEAD + LENGTH + b"goo",
        HEAD + LENGTH + b"good" + HEAD + LENGTH + b"good",
        HEAD + LENGTH.replace(b"4", b"5") + b"goods",
        HEAD.replace(b"predict", b"invocations") + LENGTH + b"good",
        HEAD + b"X: y\r\n" + LENGTH + b"good",
        b"",
        b"\r\n\r\n",
    ],
)
def test_known_heads_find_no_other_data(data: bytes) -> None:
    heads = KnownHeads()
    heads.add(HEAD + LENGTH + b"good", b"/predict", HEADERS)
    assert heads.find(data) is None


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n", [(b"transfer-encoding", b"chunked")]),
        (HEAD + LENGTH + b"good" + HEAD, HEADERS),
        (HEAD + b"X-Request-Id: one\r\n" + LENGTH + b"good", [*HEADERS, (b"x-request-id", b"one")]),
        (HEAD + b"Traceparent: one\r\n" + LENGTH + b"good", [*HEADERS, (b"traceparent", b"one")]),
    ],
)
def test_known_heads_leave_out_bodies_without_a_length_and_ids(data: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    heads = KnownHeads()
    heads.add(data, b"/predict", headers)
    assert heads.find(data) is None


@pytest.mark.parametrize("data", [HEAD + b"Content-Length: 0", HEAD + b"Content-Length: 0\r\n"])
def test_known_heads_find_no_head_without_its_end(data: bytes) -> None:
    heads = KnownHeads()
    heads.add(HEAD + b"Content-Length: 0\r\n\r\n", b"/predict", [(b"content-length", b"0")])
    assert heads.find(HEAD + b"Content-Length: 0\r\n\r\n") == (b"/predict", 0)
    assert heads.find(data) is None


def test_known_heads_are_bounded_and_hold_no_secret() -> None:
    heads = KnownHeads()
    for number in range(5_000):
        last = HEAD + b"Authorization: Bearer %d\r\n" % number + LENGTH + b"good"
        heads.add(last, b"/predict", HEADERS)
        assert len(heads._heads) <= 1024
    assert heads.find(last) is not None
    assert b"Bearer" not in b"".join(heads._heads)


def test_connection_refuses_a_known_request_alike(full: Listening) -> None:
    with connected(full) as connection:
        for number in range(1, 4):
            connection.sendall(post("good", headers="X-Request-Id: one\r\n"))
            status, headers, body = receive(connection)
            assert (status, headers["x-request-id"]) == (429, "one")
            assert b"try again" in body
            assert refused(full, "predict") == number


@pytest.mark.parametrize("before", [b"", post("good")])
def test_connection_reads_known_bytes_as_what_they_continue(full: Listening, before: bytes) -> None:
    # Given a known request, and a header that is not complete when the same bytes follow,
    with connected(full) as connection:
        for _ in range(2):
            connection.sendall(post("good"))
            assert receive(connection)[0] == 429
        connection.sendall(before + b"POST /predict HTTP/1.1\r\nX: ")
        if before:
            assert receive(connection)[0] == 429
        connection.sendall(post("good"))
        # then they are the rest of that request,
        assert receive(connection)[0] == 429
        # and the next request is read from its beginning.
        connection.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert receive(connection)[0] == 200


def test_connection_refuses_a_known_request_in_pieces_once(full: Listening) -> None:
    data = post("good")
    with connected(full) as connection:
        for pieces in ([data], [data[:-1], data[-1:]], [data[:30], data[30:]], [data + data[:9], data[9:]]):
            for piece in pieces:
                connection.sendall(piece)
            received = b""
            while received.count(b"HTTP/1.1 429 ") < sum(map(len, pieces)) // len(data):
                received += connection.recv(65536)
        connection.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert receive(connection)[0] == 200


class Transport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def requests(choose: random.Random) -> list[bytes]:
    """Return requests of many kinds, and the separators that clients may send between them."""
    head = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = b"x" * choose.choice((0, 1, 4, 15))
    plain = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = b"Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n"
    fields = (b"X-Deadline-Ms: 500", b"Expect: 100-continue", b"Origin: http://a", b"X-Request-Id: one")
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA"
    kinds = [plain] * 8 + [plain.replace(b"Host", field + b"\r\nHost") for field in (*fields, upgrade)]
    kinds += [head + chunked + b"\r\n", head + chunked + b"X: y\r\n\r\n", b"\r\n" + plain, b"\r\n"]
    kinds += [head + b"Content-Length: %d\r\n\r\n" % len(plain) + plain]  # a request within a body
    kinds += [plain.replace(b"1.1", b"1.0").replace(b"Host", b"Connection: keep-alive\r\nHost")]
    kinds += [b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"]
    return [choose.choice(kinds) for _ in range(choose.randrange(1, 8))]


def pieces(choose: random.Random) -> list[bytes]:
    """Return requests in the pieces in which they arrive: mostly one each, else cut anywhere or near a head's end."""
    cut: list[bytes] = [b""]
    for data in requests(choose):
        place = choose.choice(
            (0, 0, 0, len(data), choose.randrange(len(data)), data.find(b"\r\n\r\n") + choose.choice((0, 2)))
        )
        cut[-1] += data[:place]
        cut.append(data[place:])
    return [piece for piece in cut if piece]


async def play(settings: Settings, app: Any, data: Sequence[bytes], steps: Sequence[int]) -> tuple[Any, ...]:
    """Send the pieces to a new connection, and return the statuses and the state in which it ends."""
    config = configure(app, settings)
    config.load()
    state, transport, protocol = ServerState(), Transport(), cast("Any", config.http_protocol_class)
    connection = protocol(config, state, {}, asyncio.get_running_loop())
    connection.connection_made(transport)
    for piece, count in zip(data, steps, strict=True):
        if not transport.closed:
            connection.data_received(piece)
        for _ in range(count):
            await asyncio.sleep(0)
    for _ in range(500):
        if not (state.tasks or connection.pipeline or connection._deferred):
            break
        await asyncio.sleep(0.001)
    timers = (connection._timer is not None, connection.timeout_keep_alive_task is not None)
    assert transport.closed or any(timers), data
    connection.connection_lost(None)
    return re.findall(rb"HTTP/1.1 (\d+)", transport.written), transport.closed, connection._received.in_body, timers


def test_connection_answers_alike_with_and_without_known_heads(toy: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an overloaded server, and requests of many kinds in any pieces,
    parts = make_parts(toy, port=0, body=5000)
    app, batcher = make_app(*parts), parts[2]
    batcher._submitted_tokens += 10**9
    known: KnownHeads = app.state.shedder.known_heads
    found: list[bytes] = []

    async def play_all(choose: random.Random) -> None:
        data = pieces(choose)
        steps = [choose.choice((0, 1, 30)) for _ in data]
        with_heads = await play(parts[0], app, data, steps)
        found.extend(piece for piece in data if known.find(piece))
        with monkeypatch.context() as patch:
            patch.setattr(known, "find", lambda _: None)
            # then the responses are the same, and so is the state of the connection.
            assert await play(parts[0], app, data, steps) == with_heads, (data, steps)

    for seed in range(400):
        asyncio.run(play_all(random.Random(seed)))
    assert len(found) > 100
    batcher._submitted_tokens -= 10**9
    batcher.stop()
