"""Requests as bytes that are not valid HTTP, too large or incomplete, alone and behind other requests."""

import json
import re
import select
import socket
from contextlib import suppress

import pytest

from assay.serving.bundle import Bundle
from tests.serving.http.conftest import Listen, Listening
from tests.serving.http.test_connection import BODY, OFFER, exchange, request
from tests.waiting import wait_until

CLOSE = b"Connection: close\r\n"
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HUGE = b"X: " + b"x" * 20_000
FAULTS = {
    "garbage": (b"garbage\r\n\r\n", 400),
    "another protocol": (b"\x16\x03\x01\x02\x00", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "unknown method": (b"FETCH / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a tunnel": (b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", 400),
    "a tunnel to a path": (b"CONNECT /predict HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a path that is not ASCII": ("GET /ä HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), 400),
    "no length": (HEAD + b"Content-Length: -1\r\n\r\n", 400),
    "two lengths": (HEAD + b"Content-Length: 16\r\nContent-Length: 17\r\n\r\n" + BODY, 400),
    "length and chunks": (HEAD + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n", 400),
    "chunks and length": (HEAD + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "unknown transfer coding": (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "a name before a space": (HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "a folded header": (HEAD + b"X: a\r\n b\r\n\r\n", 400),
    "a byte of zero": (HEAD + b"X: a\0b\r\n\r\n", 400),
    "line feeds alone": (b"GET /ping HTTP/1.1\nHost: localhost\n\n", 400),
    "two hosts": (b"GET /ping HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n", 400),
    "a bad chunk": (HEAD + CHUNKED + b"\r\nzz\r\n" + BODY, 400),
    "a chunk longer than its length": (HEAD + CHUNKED + b"\r\n3\r\n" + BODY + b"\r\n0\r\n\r\n", 400),
    "large headers": (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + HUGE + b"\r\n\r\n", 431),
}


@pytest.fixture
def server(toy: Bundle, listen: Listen) -> Listening:
    """Return a server of the toy model on a socket."""
    return listen(toy)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received)]


@pytest.mark.parametrize("fault", FAULTS)
def test_connection_refuses_after_the_responses_to_earlier_requests(server: Listening, fault: str) -> None:
    data, status = FAULTS[fault]
    for before in (0, 1, 3):
        for parts in ([request() * before, data], [request() * before + data]):
            received = exchange(server, *filter(None, parts))
            assert statuses(received) == [200] * before + [status]
            assert received.count(b'"label":"up"') == before
            assert json.loads(received.rpartition(b"\r\n\r\n")[2])["error"]
    # Nothing of the connections is left, and no request was lost or computed twice.
    wait_until(lambda: not server.server.server_state.tasks and not server.server.server_state.connections)
    assert server.metric("assay_inference_count_total") == 2 * (1 + 3)


@pytest.mark.parametrize("fault", ["garbage", "two hosts", "large headers"])
def test_connection_computes_nothing_behind_a_refused_request(server: Listening, fault: str) -> None:
    data, status = FAULTS[fault]
    assert statuses(exchange(server, data + request() * 2)) == [status]
    assert statuses(exchange(server, request(CLOSE))) == [200]
    assert server.metric("assay_inference_count_total") == 1


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("begin", [b"GET / HTTP/1.1\r\nX: ", HEAD + CHUNKED + b"\r\n10\r\n" + BODY + b"\r\n0\r\nX: "])
def test_connection_limits_headers_and_trailers_without_end(
    heavy: Bundle, listen: Listen, begin: bytes, before: int
) -> None:
    # Given requests that take a while, and a client that goes on with a header without an end,
    server = listen(heavy, deadline=60, header_seconds=600, body_seconds=600)
    slow = request(body=json.dumps({"text": "good " * 60}).encode())
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection, suppress(ConnectionError):
        connection.sendall(slow * before + begin)
        while len(statuses(received)) <= before:
            connection.sendall(b"x" * 20_000)
            if select.select([connection], [], [], 0.02)[0]:
                if not (data := connection.recv(65536)):
                    break
                received += data
    # then the connection ends, after the responses. (What the server has not read may reset it before the refusal.)
    assert statuses(received) in ([200] * before, [200] * before + [431])
    wait_until(lambda: not server.server.server_state.connections)


def test_connection_times_headers_behind_an_earlier_request(toy: Bundle, listen: Listen) -> None:
    server = listen(toy, header_seconds=600)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        wait_until(lambda: server.server.server_state.connections)
        server.set_limits(header_seconds=0.3)
        connection.sendall(request() + b"GET / HTTP/1.1\r\n")
        received = b""
        while data := connection.recv(65536):
            received += data
    assert statuses(received) == [200, 408]


@pytest.mark.parametrize("seconds", [0.2, 600])
def test_connection_closes_after_a_response_whose_body_stops(
    toy: Bundle, listen: Listen, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    # Given requests that have their responses before their bodies, alone and behind another one,
    monkeypatch.setattr("assay.serving.http.server_lifecycle.KEEP_ALIVE_SECONDS", 1)
    server = listen(toy, body_seconds=seconds)
    late = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
    # when the body ends late or never, then the connection ends.
    ending = (b"x" * 10,) if seconds > 1 else ()
    assert statuses(exchange(server, late, *ending)) == [404]
    assert statuses(exchange(server, b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n" + late, *ending)) == [200, 404]


def test_connection_keeps_no_text_after_its_request(toy: Bundle, listen: Listen) -> None:
    server = listen(toy)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request())
        assert b'"label":"up"' in connection.recv(65536)
        [guarded] = server.server.server_state.connections
        held = [value for value in vars(guarded).values() if isinstance(value, bytes | list)]
        assert BODY not in held
        assert not any(BODY in value for value in held if isinstance(value, bytes))


@pytest.mark.parametrize(
    ("head", "trailer", "status"),
    [
        (HEAD, b"Authorization: Bearer " + b"t" * 16, 401),
        (HEAD, b"Content-Encoding: gzip", 200),
        (HEAD, b"X-Deadline-Ms: 0", 200),
        (HEAD.replace(b"Host: localhost\r\n", b""), b"Host: localhost", 400),
    ],
)
def test_connection_reads_no_trailer_as_a_header(
    toy: Bundle, listen: Listen, head: bytes, trailer: bytes, status: int
) -> None:
    # A proxy passes on trailers without the checks that it makes of headers.
    server = listen(toy, token="t" * 16) if b"Authorization" in trailer else listen(toy)
    data = head + CLOSE + CHUNKED + b"\r\n10\r\n" + BODY + b"\r\n0\r\n" + trailer + b"\r\n\r\n"
    assert statuses(exchange(server, data)) == [status]


def test_connection_accepts_chunks_of_one_byte(server: Listening) -> None:
    # The lengths of the chunks take more bytes than headers may have.
    body = json.dumps({"text": "good " * 1_000}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    received = exchange(server, HEAD + CLOSE + CHUNKED + b"\r\n" + chunks + b"0\r\n\r\n")
    assert statuses(received) == [200]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Type: text/plain\r\nContent-Length: 16\r\n", 415),
        (b"Content-Type: application/json\r\nContent-Length: 9999999\r\n", 413),
    ],
)
def test_connection_ends_where_a_client_waits_for_100_continue_in_vain(
    server: Listening, headers: bytes, status: int
) -> None:
    # A client that leaves the body out after the response sends its next request, which is no body.
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n" + headers + b"\r\n"
    assert statuses(exchange(server, head)) == [status]


def test_connection_sends_100_continue_before_it_reads_the_body(server: Listening) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for _ in range(2):
            connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 16\r\n\r\n")
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(BODY)
            assert statuses(connection.recv(65536)) == [200]


def test_connection_ignores_data_after_a_last_request_that_offers_http2(server: Listening) -> None:
    last = request(OFFER.replace(b"Upgrade, ", b"Upgrade, close, "))
    assert statuses(exchange(server, last + request())) == [200]


def test_connection_drops_requests_of_a_client_that_disconnects(heavy: Bundle, listen: Listen) -> None:
    server = listen(heavy, deadline=30)
    body = json.dumps({"texts": ["good " * 60] * 20}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(request(body=body) * 5)
        wait_until(lambda: server.metric("assay_inference_count_total"))
    state = server.server.server_state
    wait_until(lambda: not state.tasks and not state.connections and not server.batcher.waiting_rows)
    # The batches that were running are done, and no other is begun.
    assert server.metric("assay_inference_count_total") < 20
