"""Heads that are remembered, and requests that connections refuse by them."""

import pytest

from assay.serving.http.known_heads import KnownHeads
from tests.serving.http.conftest import Listening
from tests.serving.http.test_shedding import receive, refused
from tests.serving.http.test_waiting import connected, post

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
LENGTH = b"Content-Length: 4\r\n\r\n"
HEADERS = [(b"host", b"localhost"), (b"content-length", b"4")]


def test_known_heads_find_requests_that_differ_in_the_body() -> None:
    heads = KnownHeads()
    heads.add(HEAD + LENGTH + b"good", b"/predict", HEADERS)
    known = heads.find(HEAD + LENGTH + b"poor")
    assert known is not None
    assert (known.target, known.headers) == (b"/predict", HEADERS)


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
        (HEAD + b"X: " + b"x" * 2_000 + b"\r\n" + LENGTH + b"good", [*HEADERS, (b"x", b"x" * 2_000)]),
    ],
)
def test_known_heads_leave_out_what_may_differ_or_is_large(data: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    heads = KnownHeads()
    heads.add(data, b"/predict", headers)
    assert heads.find(data) is None


def test_known_heads_are_bounded() -> None:
    heads = KnownHeads()
    for number in range(5_000):
        heads.add(HEAD + b"X: %d\r\n" % number + LENGTH + b"good", b"/predict", HEADERS)
        assert len(heads._heads) <= 1024


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
