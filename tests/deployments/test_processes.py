"""Background processes: found again, waited for, and stopped with their children."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from assay.corpus.errors import AssayError
from assay.deployments.local_stack import LocalStack
from assay.deployments.processes import Processes
from tests.ports import free_port
from tests.waiting import wait_until

# Starts a child and prints its PID.
PARENT = (
    "import subprocess, sys, time; c = subprocess.Popen(['sleep', '600']); print(c.pid, flush=True); time.sleep(600)"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "services")
    yield processes
    processes.stop()


def start(processes: Processes, name: str, code: str) -> None:
    processes.start(name, [sys.executable, "-c", code], {})


def test_processes_are_found_again_and_stopped_with_their_children(processes: Processes) -> None:
    start(processes, "first", PARENT)
    start(processes, "second", "import time; time.sleep(600)")
    log = processes.log("first")
    processes.wait_until("first", lambda: bool(log.read_text()), 60)
    child = int(log.read_text())

    records = Processes(processes.folder).running()
    assert [record.name for record in records] == ["first", "second"]
    assert Processes(processes.folder).stop() == ["second", "first"]

    assert not any(psutil.pid_exists(pid) for pid in (child, *(record.pid for record in records)))
    assert processes.running() == []


def test_wait_until_reports_the_last_lines_of_a_process_that_ends_or_is_late(processes: Processes) -> None:
    start(processes, "loser", "raise SystemExit('port 4200 is taken')")
    with pytest.raises(AssayError, match=r"loser has ended; .*loser\.log: port 4200 is taken"):
        processes.wait_until("loser", lambda: False, 60)
    start(processes, "sleeper", "import time; time.sleep(600)")
    with pytest.raises(AssayError, match="sleeper is not ready after 0 s"):
        processes.wait_until("sleeper", lambda: False, 0)


def test_process_record_tells_apart_processes_with_the_same_pid(processes: Processes) -> None:
    start(processes, "sleeper", "import time; time.sleep(600)")
    [record] = processes.running()
    assert record.process() is not None
    assert record.model_copy(update={"started": record.started - 1}).process() is None


def test_local_stack_refuses_to_start_twice(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, 1, 2)
    start(stack.processes, "prefect", "import time; time.sleep(600)")
    try:
        with pytest.raises(AssayError, match=r"prefect of .* is already running; stop everything first: assay down"):
            stack.up()
    finally:
        stack.processes.stop()


def program(path: Path, script: str) -> str:
    """Write a program that stands for Python, and return its path."""
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_local_stack_stops_the_other_server_if_one_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'case "$*" in *prefect*) echo no database; exit 1;; esac; echo $$ > "$0.pid"; exec sleep 600'
    ends = program(tmp_path / "python", script)
    monkeypatch.setattr("assay.deployments.local_stack.sys.executable", ends)
    stack = LocalStack(tmp_path / "store", free_port(), free_port())
    with pytest.raises(AssayError, match=r"prefect has ended; .*prefect\.log: no database"):
        stack.up()
    assert stack.processes.log("mlflow").exists()
    assert stack.processes.running() == []
    with suppress(psutil.NoSuchProcess):  # a child of this test stays a zombie until it is waited for
        assert psutil.Process(int((tmp_path / "python.pid").read_text())).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("password", ["", "correct-horse-battery"])
def test_local_stack_asks_for_passwords_of_mlflow_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", password)
    for name in ("MLFLOW_AUTH_CONFIG_PATH", "MLFLOW_BACKEND_STORE_URI"):
        monkeypatch.delenv(name, raising=False)
    shows = program(tmp_path / "python", 'echo "$MLFLOW_BACKEND_STORE_URI $MLFLOW_AUTH_CONFIG_PATH $* end"')
    monkeypatch.setattr("assay.deployments.local_stack.sys.executable", shows)
    stack = LocalStack(tmp_path, 1, 2)
    stack.start_mlflow()
    log = stack.processes.log("mlflow")
    wait_until(lambda: "end" in log.read_text())
    started, users = log.read_text(), tmp_path / "mlflow-auth.ini"
    assert started.startswith(f"sqlite:///{tmp_path}/mlflow.db ")
    assert ("--app-name basic-auth" in started, str(users) in started, users.exists()) == (bool(password),) * 3
    if password:
        assert f"database_uri = sqlite:///{tmp_path}/mlflow-users.db" in users.read_text()
