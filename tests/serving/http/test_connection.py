"""Requests as bytes on a socket, and by clients that offer HTTP/2 with every request."""

import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from assay.serving.bundle import Bundle
from tests.serving.http.conftest import Listen, Listening

BODY = b'{"text": "good"}'
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n"

JAVA = """
import java.net.URI;
import java.net.http.*;

public class Client {
    public static void main(String[] words) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int round = 0; round < 2; round++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(words[0]))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString("{\\"text\\": \\"good\\"}")).build();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
"""


def request(headers: bytes = b"", version: bytes = b"1.1", body: bytes = BODY) -> bytes:
    head = b"POST /predict HTTP/" + version + b"\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def exchange(server: Listening, *parts: bytes) -> bytes:
    """Send the parts one after the other, and return everything that the server sends until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        received = b""
        while data := connection.recv(65536):
            received += data
    return received


@pytest.fixture
def server(toy: Bundle, listen: Listen) -> Listening:
    """Return a server of the toy model on a socket."""
    return listen(toy)


def test_connection_ignores_an_upgrade_in_any_pieces(server: Listening) -> None:
    # Given two requests that offer HTTP/2 and a last one that does not, in one piece and byte by byte,
    data = request(OFFER) + request(OFFER) + request(b"Connection: close\r\n")
    for parts in ([data], [data[n : n + 1] for n in range(len(data))]):
        # then each of them has one response.
        received = exchange(server, *parts)
        assert received.count(b"HTTP/1.1 200 OK") == 3
        assert received.count(b'"label":"up"') == 3


def test_connection_ignores_an_upgrade_of_a_chunked_body(server: Listening) -> None:
    head = request(OFFER).partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
    received = exchange(server, head, b"10\r\n" + BODY + b"\r\n0\r\n\r\n", request(b"Connection: close\r\n"))
    assert received.count(b'"label":"up"') == 2


def test_connection_limits_headers_of_an_upgrade(server: Listening) -> None:
    received = exchange(server, request(OFFER + b"X: " + b"x" * 20_000 + b"\r\n"))
    assert received.startswith(b"HTTP/1.1 431 ")
    assert received.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        (b"nonsense\r\n\r\n", 400, "the request is not valid HTTP"),
        (b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n", 400, "the request is not valid HTTP"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431, "the headers are too large"),
    ],
)
def test_connection_refuses_in_json(server: Listening, data: bytes, status: int, error: str) -> None:
    head, _, body = exchange(server, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/json" in head
    assert error in json.loads(body)["error"]


def test_connection_stays_open_for_http_1_0_where_the_client_asks(server: Listening) -> None:
    data = request(b"Connection: Keep-Alive\r\n", b"1.0") + request(version=b"1.0")
    received = exchange(server, data)
    assert received.count(b'"label":"up"') == 2
    assert received.count(b"connection: keep-alive") == 1
    assert received.count(b"connection: close") == 1


def test_connection_accepts_curl_with_http2(server: Listening) -> None:
    if shutil.which("curl") is None or b"HTTP2" not in subprocess.run(["curl", "-V"], capture_output=True).stdout:
        pytest.skip("curl with HTTP/2 is not installed")
    words = ["curl", "-sS", "--http2", "-H", "Content-Type: application/json", "-d", BODY.decode()]
    words += [f"{server.url}/predict", f"{server.url}/predict"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=300)
    assert done.stdout.count(b'"label":"up"') == 2


def test_connection_accepts_the_http_client_of_java(server: Listening, tmp_path: Path) -> None:
    if shutil.which("java") is None or shutil.which("javac") is None:
        pytest.skip("a JDK is not installed")
    (tmp_path / "Client.java").write_text(JAVA)
    words = ["java", str(tmp_path / "Client.java"), f"{server.url}/predict"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ["200", "200"]
