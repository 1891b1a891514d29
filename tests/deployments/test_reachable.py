"""Faults of servers with passwords, and of read-only or missing databases: one line, without passwords."""

import base64
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from assay.deployments.doctor import Diagnosis, examine
from assay.deployments.reachable import can_be_checked, database_fault, http_fault, mlflow_authorization

SECRET = "s3cret"


class _Guarded(BaseHTTPRequestHandler):
    """Admits one user and one token."""

    def do_GET(self) -> None:
        allowed = {f"Basic {base64.b64encode(f'anna:{SECRET}@1'.encode()).decode()}", "Bearer token"}
        self.send_response(200 if self.headers["Authorization"] in allowed else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Guarded) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "TOKEN", "URI"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    monkeypatch.setattr("assay.deployments.reachable.TIMEOUT_S", 60)  # a busy machine is no fault of a server


def findings(store: Path) -> dict[str, Diagnosis]:
    return {finding.what: finding for finding in examine(store)}


def test_http_fault_sends_user_and_password_of_the_address(port: int) -> None:
    assert http_fault(f"http://anna:{SECRET}%401@127.0.0.1:{port}/health") is None
    for wrong in ("", "anna:wrong@", "anna@"):
        assert "401" in str(http_fault(f"http://{wrong}127.0.0.1:{port}/health"))


@pytest.mark.parametrize(
    "environment", [{"USERNAME": "anna", "PASSWORD": f"{SECRET}@1"}, {"TOKEN": "token"}], ids=["password", "token"]
)
def test_doctor_sends_the_credentials_of_the_environment_to_mlflow(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    assert mlflow_authorization() is None
    assert not findings(tmp_path)["MLflow"].ok
    for name, value in environment.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    assert findings(tmp_path)["MLflow"].ok


@pytest.mark.parametrize(
    "address",
    [
        f"http://anna:{SECRET}@127.0.0.1",
        f"http://anna:{SECRET}@127.0.0.1:9",
        f"http://anna:{SECRET}@127.0.0.1:port",
        f"http://anna:{SECRET}@127.0.0.1:99999",
        f"http://anna:{SECRET}@",
        f"http://anna:{SECRET}@[::1]:9",
        f"http://anna:{SECRET}@two words",
        f"https://anna:{SECRET}@127.0.0.1:9/mlflow",
        f"https://anna:{SECRET}@{'x' * 70}.example",
    ],
)
@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "PREFECT_API_URL"])
def test_doctor_prints_no_password_of_any_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    monkeypatch.setenv(variable, address)
    # Prefect has read the environment already.
    with temporary_settings({PREFECT_API_URL: address if variable == "PREFECT_API_URL" else None}):
        finding = findings(tmp_path)["MLflow" if variable.startswith("MLFLOW") else "Prefect API"]
    assert not finding.ok
    assert f"fix {variable}" in finding.details
    assert SECRET not in finding.details
    assert "\n" not in finding.details


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PREFECT_API_URL", f"http://anna:{SECRET}@[::1"), ("PREFECT_API_REQUEST_TIMEOUT", "soon")],
)
def test_doctor_prints_no_traceback_if_prefect_cannot_read_its_settings(
    tmp_path: Path, variable: str, value: str
) -> None:
    command = [sys.executable, "-c", "from assay.cli import main; main()", "doctor", "--store", str(tmp_path)]
    environment = {**os.environ, "COLUMNS": "400", variable: value}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Prefect cannot read its settings" in done.stdout
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_http_fault_is_one_line_for_another_protocol() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail ready\r\n")

        threading.Thread(target=talk, daemon=True).start()
        assert "220 mail ready" in str(http_fault(f"http://127.0.0.1:{listener.getsockname()[1]}/"))


def test_database_fault_finds_read_only_and_locked_databases(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = store / "mlflow.db"
    whole = database.read_bytes()
    assert database_fault(f"sqlite:///{database}") is None
    assert database.read_bytes() == whole
    # Every user can read a file of a later format, and nobody can write it.
    database.write_bytes(whole[:18] + b"\x03" + whole[19:])
    assert "readonly database; change the permissions" in str(database_fault(f"sqlite:///{database}"))
    database.write_bytes(whole)
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("assay.deployments.reachable.TIMEOUT_S", 0.5)
    assert "locked; another process holds it" in str(database_fault(f"sqlite:///{database}"))
    holder.close()
    assert [path.name for path in store.iterdir()] == ["mlflow.db"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("place", ["mlflow.db", "."])
def test_database_fault_finds_missing_permissions(store: Path, place: str) -> None:
    (store / place).chmod(0o555)
    assert "permissions" in str(database_fault(f"sqlite:///{store}/mlflow.db"))
    (store / place).chmod(0o755)


def test_database_fault_finds_a_folder_where_no_database_can_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "a file exists where a folder is needed" in str(database_fault(f"sqlite:///{tmp_path}/file/below/mlflow.db"))
    assert "too long" in str(database_fault(f"sqlite:///{tmp_path}/{'x' * 300}/mlflow.db"))
    assert database_fault(f"sqlite:///{tmp_path}/not/yet/mlflow.db") is None
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("ftp://x", "MLflow does not support the scheme ftp:;"),
        ("postgres://anna:s3cret@db/mlflow", "does not support the scheme postgres:"),
        ("sqlite+pysqlite:////nowhere/at/all.db", "unable to open database file"),
        ("postgresql+nodriver://anna:s3cret@127.0.0.1:9/mlflow", "postgresql.nodriver"),
        ("postgresql://anna:s3cret@127.0.0.1:port/mlflow", ""),
        ("mysql+pymysql://127.0.0.1:9/mlflow?user=anna&password=s3cret", ""),
        ("postgresql://anna:s3cret@127.0.0.1:9/mlflow", ""),
        ("mssql+pyodbc://anna:s3cret@127.0.0.1:9/mlflow", ""),
    ],
)
def test_doctor_reports_a_database_that_is_not_responding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    finding = findings(tmp_path)["MLflow"]
    assert not finding.ok
    assert reason in finding.details
    assert SECRET not in finding.details
    assert "\n" not in finding.details


@pytest.mark.parametrize("address", ["databricks://profile", "file:///srv/mlruns", "mlruns"])
def test_doctor_reports_what_it_cannot_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert not can_be_checked(address)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    finding = findings(tmp_path)["MLflow"]
    assert (finding.ok, finding.details) == (True, f"{address} (not checked)")
