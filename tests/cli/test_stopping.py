import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import ROOT
from tests.waiting import wait_until

# Commands that stand for all that main() may be in when a signal comes.
PROGRAM = """
import os, signal, subprocess, sys, threading, time
import assay.cli.stopping
from assay.cli.stopping import noting, stoppable
assay.cli.stopping.LIMIT_S = float(os.environ["LIMIT_S"])
assay.cli.stopping.REPEAT_S = float(os.environ["REPEAT_S"])

def ready():
    print("ready", flush=True)

def works():
    try:
        ready()
        time.sleep(60)
    finally:
        time.sleep(0.3)
        print("cleared", flush=True)

def works_late():
    # As in a library that does not return: another thread receives the signal, and this one learns of it later.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        ready()
        time.sleep(2)
    finally:
        time.sleep(0.3)
        print("cleared", flush=True)

def swallows():
    try:
        ready()
        time.sleep(60)
    except BaseException:
        print("swallowed", flush=True)
    time.sleep(60)

def waits_for_a_process():
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
    child.wait()
    raise RuntimeError("a process of it has died")

def waits_for_a_thread():
    child = subprocess.Popen(["sleep", "60"])
    thread = threading.Thread(target=child.wait)
    thread.start()
    print(child.pid, flush=True)
    thread.join()

def leaves_a_thread():
    threading.Thread(target=time.sleep, args=(60,)).start()
    ready()
    time.sleep(60)

def forks():
    begun, begins = os.pipe()
    child = os.fork()
    if not child:
        os.write(begins, b".")
        time.sleep(60)
        os._exit(0)
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(os.waitpid(child, 0)[1]))
    waiting.start()
    os.read(begun, 1)
    os.kill(child, getattr(signal, sys.argv[2]))
    ready()
    waiting.join()
    time.sleep(2)
    print(os.WTERMSIG(ended[0]), flush=True)

def forks_in_a_thread():
    thread = threading.Thread(target=forks)
    thread.start()
    thread.join()

def leaves_a_bar():
    from rich.console import Console
    from rich.progress import Progress
    bar = Progress(console=Console(stderr=True), refresh_per_second=100, redirect_stdout=False)
    bar.start()  # as where the signal comes before the block that stops it begins
    bar.add_task("rows")
    ready()
    time.sleep(60)

def other_handler():
    def handle(*_):
        raise ValueError
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    ready()
    time.sleep(60)

if "late" in sys.argv:
    watch = assay.cli.stopping._Stopper._watch
    assay.cli.stopping._Stopper._watch = lambda stopper: (time.sleep(0.6), watch(stopper))

with stoppable(), noting("go on later"):
    globals()[sys.argv[1]]()
"""
WAYS = ("works", "swallows", "waits_for_a_process", "waits_for_a_thread", "leaves_a_thread", "other_handler")


def start(
    way: str, *more: str, stderr: int = subprocess.PIPE, limit: float = 1.0, repeat: float = 60.0
) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        # Python 3.12 warns of forks beside threads, which are what is tested.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM, way, *more],
        cwd=ROOT,
        env={**os.environ, "LIMIT_S": str(limit), "REPEAT_S": str(repeat)},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.first = process.stdout.readline().strip()  # type: ignore[attr-defined]
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("way", WAYS)
def test_stoppable_ends_any_command_with_one_line(way: str, number: signal.Signals) -> None:
    # What cleans up in time must not meet the limit on a busy machine; the others end by it.
    with start(way, limit=45 if way == "works" else 1) as process:
        begun = time.monotonic()
        os.killpg(process.pid, number)
        os.kill(process.pid, number)  # as `timeout` does
        output, wrong = process.communicate(timeout=300)
        assert time.monotonic() - begun < 45
    assert process.returncode == 128 + number
    assert wrong == f"assay: stopped by {number.name}; go on later\n"
    assert ("cleared" in output) == (way == "works")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stoppable_prints_its_line_after_a_progress_bar(number: signal.Signals) -> None:
    seen, terminal = os.openpty()
    with start("leaves_a_bar", stderr=terminal, limit=45) as process:
        os.close(terminal)
        os.kill(process.pid, number)
        output = b""
        with suppress(OSError):  # the other end is closed
            while more := os.read(seen, 65536):
                output += more
    os.close(seen)
    assert output.decode().endswith(f"\r\x1b[2K\x1b[?25hassay: stopped by {number.name}; go on later\r\n")
    assert process.returncode == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stoppable_lets_a_command_clean_up_that_learns_of_its_signal_late(number: signal.Signals) -> None:
    with start("works_late", limit=45, repeat=0.2) as process:
        os.kill(process.pid, number)
        output, wrong = process.communicate(timeout=300)
    assert (output, process.returncode) == ("cleared\n", 128 + number)
    assert wrong == f"assay: stopped by {number.name}; go on later\n"


def test_stoppable_ends_a_process_that_a_thread_waits_for() -> None:
    with start("waits_for_a_thread") as process:
        child = int(process.first)  # type: ignore[attr-defined]
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
    wait_until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("way", ["forks", "forks_in_a_thread"])
def test_stoppable_continues_after_a_signal_to_a_forked_process(way: str, name: str) -> None:
    with start(way, name) as process:
        output, wrong = process.communicate(timeout=300)
    assert (process.returncode, wrong) == (0, "")
    assert int(output) == getattr(signal, name)


@pytest.mark.parametrize("thread", ["", "late"])  # late: the second thread looks after the main one has handled it
def test_stoppable_ends_at_once_on_a_second_signal(thread: str) -> None:
    with start("swallows", thread, limit=200, repeat=0.2) as process:
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "swallowed\n"
        time.sleep(2)
        assert process.poll() is None
        begun = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=300)
        assert time.monotonic() - begun < 100
    assert process.returncode == 128 + signal.SIGINT


def test_stoppable_restores_the_handlers() -> None:
    from assay.cli.stopping import STOPPING, stoppable

    before = [signal.getsignal(number) for number in STOPPING]
    with stoppable():
        assert [signal.getsignal(number) for number in STOPPING] != before
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_stoppable_leaves_signals_alone_in_another_thread() -> None:
    from assay.cli.stopping import STOPPING, stoppable

    def work() -> None:
        with stoppable():
            seen.extend(signal.getsignal(number) for number in STOPPING)

    before, seen = [signal.getsignal(number) for number in STOPPING], list[object]()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before
