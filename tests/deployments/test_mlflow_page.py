import itertools
import urllib.request
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.deployments import mlflow_page
from assay.deployments.mlflow_page import mlflow_server, server_command, server_settings
from tests.ports import free_port

# A server that responds like MLflow's, with its settings as the page.
HEALTHY = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["MLFLOW_BACKEND_STORE_URI"].encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_server_command_listens_on_the_loopback_address_and_holds_no_password(tmp_path: Path) -> None:
    command = server_command(tmp_path, 5000)
    assert command[:3] == ["-m", "mlflow", "server"]
    assert ("--host", "127.0.0.1") in itertools.pairwise(command)
    assert ("--artifacts-destination", str(tmp_path / "mlartifacts")) in itertools.pairwise(command)
    assert server_settings("postgresql://anna:geheim@host/db")["MLFLOW_BACKEND_STORE_URI"].startswith("postgresql://")
    assert not [word for word in command if "sql" in word]


def test_mlflow_server_ends_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_page, "server_command", lambda store, port: ["-c", HEALTHY, str(port)])
    with mlflow_server("sqlite:///mlflow.db", tmp_path, free_port()) as (address, process):
        assert process.poll() is None
        with urllib.request.urlopen(address) as page:  # noqa: S310  # our own address
            assert page.read() == b"sqlite:///mlflow.db"
    assert process.poll() is not None


def test_mlflow_server_ends_after_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_page, "server_command", lambda store, port: ["-c", HEALTHY, str(port)])
    with pytest.raises(KeyboardInterrupt), mlflow_server("sqlite:///x.db", tmp_path, free_port()) as (_, process):
        raise KeyboardInterrupt
    assert process.poll() is not None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('one'); print('two'); raise SystemExit(1)", "the MLflow server did not start: one two"),
        ("raise SystemExit(1)", r"the MLflow server did not start: \(no output\)"),
    ],
)
def test_mlflow_server_that_ends_at_once_is_reported_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    monkeypatch.setattr(mlflow_page, "server_command", lambda store, port: ["-c", code])
    with pytest.raises(AssayError, match=message), mlflow_server("sqlite:///x.db", tmp_path, free_port()):
        pass


def test_mlflow_server_that_never_responds_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_page, "START_S", 0.5)
    monkeypatch.setattr(mlflow_page, "server_command", lambda store, port: ["-c", "import time; time.sleep(60)"])
    with (
        pytest.raises(AssayError, match="the MLflow server did not start"),
        mlflow_server("sqlite:///x.db", tmp_path, free_port()),
    ):
        pass


def test_mlflow_server_refuses_a_port_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_page, "server_command", lambda store, port: ["-c", HEALTHY, str(port)])
    port = free_port()
    with (
        mlflow_server("sqlite:///x.db", tmp_path, port),
        pytest.raises(AssayError, match=f"{port}"),
        mlflow_server("sqlite:///x.db", tmp_path, port),
    ):
        pass
