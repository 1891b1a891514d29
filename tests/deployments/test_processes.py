"""Processes that go on behind their command: found again, waited for, ended with all that they started."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from assay.corpus.errors import AssayError
from assay.deployments.local_stack import LocalStack
from assay.deployments.processes import Processes

# Says that it is there, and starts a child.
PARENT = (
    "import subprocess, sys, time; c = subprocess.Popen(['sleep', '600']); print(c.pid, flush=True); time.sleep(600)"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "services")
    yield made
    made.stop()


def start(processes: Processes, name: str, code: str) -> None:
    processes.start(name, [sys.executable, "-c", code], {})


def test_all_are_found_again_and_ended_with_their_children(processes: Processes) -> None:
    start(processes, "first", PARENT)
    start(processes, "second", "import time; time.sleep(600)")
    log = processes.log("first")
    processes.wait_until("first", lambda: bool(log.read_text()), 60)
    child = int(log.read_text())

    found = Processes(processes.folder).running()
    assert [one.name for one in found] == ["first", "second"]
    assert Processes(processes.folder).stop() == ["second", "first"]

    assert not any(psutil.pid_exists(pid) for pid in (child, *(one.pid for one in found)))
    assert processes.running() == []


def test_a_process_that_ends_or_dawdles_is_told_of_with_what_it_said_last(processes: Processes) -> None:
    start(processes, "loser", "raise SystemExit('port 4200 is taken')")
    with pytest.raises(AssayError, match=r"loser ended; .*loser\.log says: port 4200 is taken"):
        processes.wait_until("loser", lambda: False, 60)
    start(processes, "dawdler", "import time; time.sleep(600)")
    with pytest.raises(AssayError, match="dawdler is not ready after 0 s"):
        processes.wait_until("dawdler", lambda: False, 0)


def test_a_number_that_came_again_is_another_process(processes: Processes) -> None:
    start(processes, "one", "import time; time.sleep(600)")
    [one] = processes.running()
    assert one.process() is not None
    assert one.model_copy(update={"began": one.began - 1}).process() is None


def test_a_machine_is_not_started_twice(tmp_path: Path) -> None:
    machine = LocalStack(tmp_path, 1, 2)
    start(machine.processes, "prefect", "import time; time.sleep(600)")
    try:
        with pytest.raises(AssayError, match=r"prefect of .* run already; end them first: assay down"):
            machine.up()
    finally:
        machine.processes.stop()
