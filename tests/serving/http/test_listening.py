import asyncio
import errno
import os
import socket
from pathlib import Path

import pytest
import uvloop
from prefect.settings import PREFECT_API_URL, temporary_settings

from assay.corpus.errors import AssayError
from assay.serving.http.listening import ACCEPTED_PER_ITERATION, bind, bound_sockets, check_free, listen, listeners
from tests.cli.calls import call
from tests.ports import free_port

HOST = "127.0.0.1"


@pytest.mark.parametrize("port", [-1, 65_536, 80_000, 10**12])
def test_bind_refuses_invalid_ports(port: int) -> None:
    with pytest.raises(AssayError, match=f"--port is {port}; ports are 1 to 65535"):
        bind(HOST, port)


def test_bind_excludes_other_processes_and_listen_returns_the_port() -> None:
    [bound] = bind(HOST, 0)
    port = bound.getsockname()[1]
    assert listen([bound], HOST) == f"http://{HOST}:{port}"
    with socket.create_connection((HOST, port)), pytest.raises(AssayError, match="another process is listening on it"):
        check_free(HOST, port, "--mlflow-port")
    bound.close()
    check_free(HOST, port, "--mlflow-port")


def test_bind_binds_all_addresses_of_a_name_to_one_port() -> None:
    sockets = bind("localhost", 0)
    assert len({bound.getsockname()[1] for bound in sockets}) == 1
    for bound in sockets:
        bound.close()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("no.such.host.invalid", "the host is unknown"),
        ("a..b", "the host is unknown"),
        ("192.0.2.1", "this machine has no such address"),
    ],
)
def test_bind_names_the_fault_of_a_host(host: str, reason: str) -> None:
    with pytest.raises(AssayError, match=reason):
        bind(host, 8080)


def test_bind_reports_that_a_port_needs_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("socket.socket.bind", refuse)
    with pytest.raises(AssayError, match=r"listen on 127.0.0.1:80: ports below 1024 need privileges; use --port"):
        bind(HOST, 80)


@pytest.mark.parametrize("command", ["serve --model none --port", "api --no-token --port"])
def test_commands_end_at_a_port_in_use_before_they_announce_an_address(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}), bound_sockets(HOST, 0) as sockets:
        listen(sockets, HOST)
        assert call(monkeypatch, *command.split(), str(sockets[0].getsockname()[1])) == 1
        assert capsys.readouterr().err.startswith("assay: cannot listen on 127.0.0.1:")
        assert call(monkeypatch, *command.split(), "80000") == 1
    assert capsys.readouterr().err == "assay: --port is 80000; ports are 1 to 65535, and 0 selects any free one\n"


@pytest.mark.parametrize(
    ("ports", "reason"),
    [((80_000, 5000), "--prefect-port is 80000"), ((4200, 0), "--mlflow-port is 0; ports are 1 to")],
)
def test_up_starts_nothing_if_a_port_is_invalid(
    ports: tuple[int, int],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("assay.serving.http.listening.bind", lambda *_: [])
    words = ["up", "--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1]), "--store", str(tmp_path)]
    assert call(monkeypatch, *words) == 1
    assert reason in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_up_refuses_one_port_for_two_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(free_port())
    assert call(monkeypatch, "up", "--prefect-port", port, "--mlflow-port", port, "--store", tmp_path) == 1
    assert "use two ports" in capsys.readouterr().err


def test_listeners_accept_several_connections_per_iteration_of_uvloop() -> None:
    waiting = 4 * ACCEPTED_PER_ITERATION
    accepted = list[asyncio.BaseTransport]()

    class Accepting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    async def iterations() -> int:
        [bound] = bind(HOST, 0)
        servers = [await asyncio.get_running_loop().create_server(Accepting, sock=each) for each in listeners([bound])]
        # Given connections that wait to be accepted, since the event loop is busy,
        clients = [socket.create_connection(bound.getsockname()) for _ in range(waiting)]
        count = 0
        while len(accepted) < waiting:
            count += 1
            await asyncio.sleep(0)
        for client in clients:
            client.close()
        for server in servers:
            server.close()
        for transport in accepted:
            transport.close()
        return count

    # then they do not wait for one iteration each.
    assert uvloop.run(iterations()) < waiting / 2
