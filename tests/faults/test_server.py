"""The server as a process, with slow, huge, malformed and many requests, while its champion changes."""

import json
import random
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from assay.serving.bundle import Bundle
from tests.bundles import build_bundle
from tests.faults.counts import count, many
from tests.processes import command_of
from tests.servers import PATIENCE_S, Server, serving
from tests.serving.http.test_follower import Shelf

SLOW = many(150, 1_000)
BODIES = many(3, 20)
HUGE = 100 * 2**20
MALFORMED = many(300, 20_000)
MIXED = many(2_000, 100_000)
SWAPS = many(4, 200)
# What a process may grow by, once it has answered a tenth of the requests.
MOST_GROWTH = 24 * 2**20
WORDS = ["good", "bad", "Apple", "and", "so", "on,", "12", "%", "of", "it", "süß", "🙂", "today"]

pytestmark = pytest.mark.slow  # a process that imports and loads


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build_bundle(tmp_path_factory.mktemp("toy"), {"good": "up", "bad": "down"}, {"Apple": "ORG"})


@pytest.fixture(scope="module")
def server(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start one process for all tests, so that leaks of one affect the next."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8_192)), hard))
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(bundle.folder, log, "--deadline", "60") as server:
        yield server
        # then the same process is there, and has nothing to say against it
        assert "Traceback" not in log.read_text()


def process_of(server: Server) -> psutil.Process:
    [process] = [child for child in psutil.Process().children() if str(server.port) in command_of(child)]
    return process


def post(server: Server, texts: list[str]) -> httpx.Response:
    return httpx.post(f"{server.url}/predict", json={"texts": texts}, timeout=PATIENCE_S)


def head(length: int) -> bytes:
    kind = b"Content-Type: application/json\r\nContent-Length: "
    return b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n" + kind + str(length).encode() + b"\r\n\r\n"


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        yield connection


def test_server_listens_on_loopback_only(server: Server) -> None:
    listening = [one for one in process_of(server).net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    assert [(one.laddr.ip, one.laddr.port) for one in listening] == [("127.0.0.1", server.port)]


def test_server_is_not_blocked_by_slow_clients(server: Server) -> None:
    body = json.dumps({"text": "good"}).encode()
    whole = head(len(body)) + body
    with ExitStack() as stack:
        # given callers who say a few bytes, and then nothing
        slow = [stack.enter_context(connected(server)) for _ in range(SLOW)]
        for number, connection in enumerate(slow):
            connection.sendall(whole[: len(whole) - 1 - number % 40])
        # then others are answered,
        for _ in range(50):
            assert post(server, ["good"]).json()["predictions"][0]["label"] == "up"
        # and so are they, when they end what they began, unless that took them too long
        for number, connection in enumerate(slow[::5]):
            with suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(whole[len(whole) - 1 - 5 * number % 40 :])
                assert connection.recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 408")
    count("clients that send part of a request and wait", SLOW, "connections, no other request waited")


def test_server_refuses_large_bodies_without_using_memory(server: Server) -> None:
    process, piece = process_of(server), b"x" * 2**20
    before = process.memory_info().rss
    for number in range(BODIES):
        with connected(server) as connection, suppress(ConnectionResetError, BrokenPipeError):
            # some say how much will come, some do not
            kind = b"Transfer-Encoding: chunked" if number % 2 else f"Content-Length: {HUGE}".encode()
            start = (
                b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" + kind + b"\r\n\r\n"
            )
            connection.sendall(start)
            for _ in range(HUGE // len(piece)):
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if number % 2 else piece)
            response = connection.recv(100)
            assert response.startswith(b"HTTP/1.1 413"), response
    assert post(server, ["bad"]).json()["predictions"][0]["label"] == "down"
    assert process.memory_info().rss - before < MOST_GROWTH
    count("bodies of 100 MB", BODIES, "requests, each refused")


def broken(draw: random.Random) -> bytes:
    """Yield bytes that are not a valid request."""
    body = json.dumps({"text": "good"}).encode()
    request = bytearray(head(len(body)) + body)
    kind = draw.randrange(6)
    if kind == 0:
        return draw.randbytes(draw.randrange(1, 300))
    if kind == 1:
        return bytes(request[: draw.randrange(1, len(request))])
    if kind == 2:
        return bytes(request).replace(b"Content-Length: 16", draw.choice(BAD_HEADERS))
    if kind == 3:
        return draw.choice([b"GET", b"PUT", b"\x00\x01", b"PRI * HTTP/2.0"]) + b" " + draw.randbytes(20) + b"\r\n\r\n"
    for _ in range(draw.randrange(1, 6)):
        request[draw.randrange(len(request))] = draw.randrange(256)
    return bytes(request)


BAD_HEADERS = [
    *(b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: 1\r\nContent-Length: 2"),
    *(b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"Transfer-Encoding: banana", b"Expect: 100-continue"),
    *(b"X: " + b"y" * 40_000, b"Upgrade: websocket\r\nConnection: Upgrade", b"Content-Length: 0x10", b": empty"),
]


def test_server_survives_bytes_that_are_not_a_request(server: Server) -> None:
    process, draw, statuses = process_of(server), random.Random(5), Counter[str]()
    for _ in range(MALFORMED):
        with connected(server) as connection, suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(broken(draw))
            connection.shutdown(socket.SHUT_WR)
            response = connection.recv(64)
            statuses[response[9:12].decode("latin-1")] += 1
    assert not [status for status in statuses if status.startswith("5") and status != "501"], statuses
    assert statuses["400"] > MALFORMED / 20
    assert post(server, ["good"]).status_code == 200
    assert process.is_running()
    count("bytes over the socket that are not a valid request", MALFORMED, "connections, no 5xx")


def texts(draw: random.Random) -> list[str]:
    """Return texts of all lengths, mostly short."""
    length = min(int(draw.paretovariate(0.7)), 3_000)
    return [" ".join(draw.choices(WORDS, k=length)) or "x" for _ in range(draw.choice([1, 1, 1, 2, 8]))]


def ask_often(url: str, requests: int, seed: int, statuses: Counter[int], halfway: Callable[[], None]) -> None:
    draw = random.Random(seed)
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        for number in range(requests):
            if number == requests // 10:
                halfway()
            sent = texts(draw)
            response = client.post("/predict", json={"texts": sent})
            statuses[response.status_code] += 1
            if response.status_code == 200:
                assert len(response.json()["predictions"]) == len(sent)


def test_server_leaks_no_memory_or_files_while_the_champion_changes(store: Path, tmp_path: Path) -> None:
    # given a server that follows the champion
    shelf = Shelf(store)
    for number in range(2):
        folder = tmp_path / f"bundle{number}"
        folder.mkdir()
        shelf.add(
            build_bundle(folder, {"good": "up", "bad": "down"}, {"Apple": "ORG"}, changes={"max_length": 64 + number})
        )
    shelf.crown("1")
    words = ["--follow", "0.1", "--deadline", "60"]
    cache = str(tmp_path / "cache")
    statuses, versions = Counter[int](), Counter[str]()
    with serving(
        Path("models:/toy@champion"), tmp_path / "log", *words, MLFLOW_TRACKING_URI=shelf.uri, XDG_CACHE_HOME=cache
    ) as server:
        process = process_of(server)
        measured: list[tuple[int, int]] = []
        line = threading.Barrier(2, lambda: measured.append((process.memory_info().rss, process.num_fds())))
        callers = [
            threading.Thread(target=ask_often, args=(server.url, MIXED // 2, seed, statuses, line.wait))
            for seed in range(2)
        ]
        # when it is asked without a pause, and the alias moves to and fro
        for swap in range(2 * SWAPS):
            if swap == SWAPS:  # both versions have been loaded often
                for client in callers:
                    client.start()
            wanted = str(2 - swap % 2)
            shelf.crown(wanted)
            until = time.monotonic() + PATIENCE_S
            while httpx.get(f"{server.url}/model").json()["version"] != wanted:
                assert time.monotonic() < until
                time.sleep(0.02)
            versions[wanted] += 1
        for client in callers:
            client.join()
        # then every request was answered, and nothing has grown
        assert statuses == {200: MIXED // 2 * 2}
        [(memory, files)] = measured
        assert process.memory_info().rss - memory < MOST_GROWTH, measured
        assert process.num_fds() <= files + 4
    count(
        "requests of mixed length while the champion changes",
        MIXED,
        "requests, each with a response, memory and open files constant",
    )
    count("changes of the champion under load", 2 * SWAPS, "changes, no request failed")
