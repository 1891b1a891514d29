"""Turns between reading and tasks, by themselves and in a server with more connections than libuv reads at once."""

import asyncio
import resource
import subprocess
import sys
import threading

import httpx
import pytest

from assay.serving.bundle import Bundle
from assay.serving.http.reading_turns import ReadingTurns
from tests.serving.http.conftest import Listen
from tests.serving.http.test_shedding import receive, refused
from tests.serving.http.test_waiting import connected, post
from tests.waiting import wait_until

# libuv reads again before it runs tasks if 1,024 sockets have data; clients take a while to send the next request.
CONNECTIONS = 2_000
FLOOD = """
import asyncio, sys, uvloop

port, connections = int(sys.argv[1]), int(sys.argv[2])
request = sys.stdin.buffer.read()

class Client(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(request)

async def run():
    loop = asyncio.get_running_loop()
    clients = [(await loop.create_connection(Client, "127.0.0.1", port))[1] for _ in range(connections)]
    for client in clients:
        client.transport.write(request)
    await asyncio.sleep(600)

uvloop.run(run())
"""


def read_all(turns: ReadingTurns, handled: list[int], numbers: range) -> None:
    """Read as the event loop does: each connection handles its data, or leaves them for its turn."""
    for number in numbers:
        if turns.begin(lambda number=number: handled.append(number)):  # type: ignore[misc]
            handled.append(number)


def test_turns_run_tasks_between_the_data_of_many_connections() -> None:
    async def run() -> list[int]:
        # Given turns of two connections,
        turns, handled = ReadingTurns(connections=2), list[int]()
        # when seven have data, and a task waits,
        read_all(turns, handled, range(7))
        asyncio.get_running_loop().call_soon(handled.append, -1)
        # then one turn is over before the task, a second one is at its time, and the last ones follow.
        assert handled == [0, 1]
        while len(handled) < 8:
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(handled.append, -1)
        return handled

    order = asyncio.run(run())
    assert [number for number in order if number >= 0] == list(range(7))
    assert order.index(-1) == 4
    assert -1 in order[order.index(5) : order.index(6)]


def test_turns_keep_the_order_of_connections() -> None:
    async def run() -> list[int]:
        turns, handled = ReadingTurns(connections=2), list[int]()
        read_all(turns, handled, range(5))
        # Data that come while others wait are behind these, although another turn has begun.
        asyncio.get_running_loop().call_soon(read_all, turns, handled, range(5, 8))
        while len(handled) < 8:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        # Nothing waits any more: the next turn begins at once.
        read_all(turns, handled, range(8, 10))
        assert handled[8:] == [8, 9]
        return handled

    assert asyncio.run(run()) == list(range(10))


def test_connection_handles_data_that_waited_for_its_turn(
    listen: Listen, toy: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a server where every second connection waits,
    server = listen(toy)
    monkeypatch.setattr(server.server.config.http_protocol_class, "turns", ReadingTurns(connections=1))
    texts = {0: "good", 1: "bad"}

    def ask(number: int) -> None:
        # when many clients send requests in pieces, and two in one piece,
        with connected(server) as connection:
            for _ in range(5):
                whole = post(texts[number % 2])
                for part in (whole[:30], whole[30:-5], whole[-5:]):
                    connection.sendall(part)
                labels.append((number % 2, receive(connection)[2]))
            connection.sendall(post("good") + post("good"))
            received = b""
            while received.count(b'"label":"up"') < 2:
                received += connection.recv(65536)

    labels: list[tuple[int, bytes]] = []
    clients = [threading.Thread(target=ask, args=[number]) for number in range(16)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    # then each has its own response.
    assert len(labels) == 16 * 5
    assert all((b'"up"', b'"down"')[kind] in body.partition(b"probabilities")[0] for kind, body in labels)


@pytest.mark.slow  # 2,000 connections of another process
def test_server_runs_tasks_while_2000_connections_repeat_refused_requests(listen: Listen, toy: Bundle) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < CONNECTIONS + 500:
        pytest.skip("too few open files are allowed; raise ulimit -n")
    # Given a server that refuses all predictions, and clients that send them again at once,
    server = listen(toy)
    server.batcher._submitted_tokens += 10**9
    command = [sys.executable, "-c", FLOOD, str(server.port), str(CONNECTIONS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as flood:
        try:
            assert flood.stdin is not None
            flood.stdin.write(post("good"))
            flood.stdin.close()
            wait_until(lambda: refused(server, "predict") > 2 * CONNECTIONS, seconds=60)
            before = refused(server, "predict")
            # when a request needs a task, over a new connection,
            response = httpx.get(f"{server.url}/v2/health/ready", timeout=120)
            # then it is not behind all refusals that libuv would read at a stretch, 48 times 1,024.
            assert response.status_code == 200
            assert refused(server, "predict") - before < 20 * CONNECTIONS
        finally:
            flood.kill()
            server.batcher._submitted_tokens -= 10**9
