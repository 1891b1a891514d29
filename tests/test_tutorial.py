"""The tutorial runs block by block, as its reader types it."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial.md"
TIMEOUT_S = 300  # generous, for busy machines
SKIPPED = ("make install", "mkdir ")  # the installation exists, and the test has its own folder


def blocks() -> list[str]:
    """Return the blocks of commands of the tutorial."""
    return re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)


def shown_report() -> str:
    """Return the report of `assay validate` as the page shows it."""
    [block] = re.findall(r"```text\n(recipe tutorial.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


class Terminal:
    """A shell in one folder, with the `assay` command on its path."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        programs = folder / "bin"
        programs.mkdir()
        for name, words in {"assay": "-m assay.cli", "python": ""}.items():
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n', encoding="utf-8")
            program.chmod(0o755)
        unwanted = ("MLFLOW_TRACKING_URI", "ASSAY_STORE", "PREFECT_API_URL")
        self._environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        self._environment |= {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(folder / "prefect"),
            "OMP_NUM_THREADS": "1",  # other tests share the cores
        }

    def start(self, block: str) -> "subprocess.Popen[str]":
        """Start a block without waiting for it."""
        return subprocess.Popen(
            ["bash", "-ec", block.replace("8080", str(self._port))],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # its child processes, such as a temporary Prefect server, end with it
        )

    def end(self, process: "subprocess.Popen[str]") -> str:
        """Wait for a block and return its output; after the timeout, kill it with its child processes."""
        try:
            return process.communicate(timeout=TIMEOUT_S)[0]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def type(self, block: str) -> str:
        """Run a block and return its output; its exit code must be the one that it names, else 0."""
        process = self.start(block)
        output = self.end(process)
        expected = re.search(r"exit code (\d)", block)
        assert process.returncode == (int(expected[1]) if expected else 0), f"{block}\n{output}"
        return output


def response_of(terminal: Terminal, block: str, expected: str) -> str:
    """Repeat a request until the response contains the expected text, since the server starts and swaps slowly."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        process = terminal.start(block)
        output = terminal.end(process)
        if process.returncode == 0 and expected in output:
            return output
        assert time.monotonic() < deadline, output
        time.sleep(0.5)


@pytest.mark.slow  # trains two models and starts a server
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial needs curl, which is not installed")
def test_tutorial_commands_have_the_described_results(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, free_port())
    commands = [block for block in blocks() if not block.startswith(SKIPPED)]
    data, recipe, run, serve, curl, predict, worse, force, back = commands

    assert '"Parse"' in terminal.type(data)
    assert terminal.type(recipe) == shown_report()
    terminal.type(run)
    assert list(tmp_path.glob(".assay/runs/*/**/card.html"))
    server = terminal.start(f"exec {serve}")
    try:
        assert "Lindqvist Ltd" in response_of(terminal, curl, '"version":"1"')
        assert '"id": 1' in terminal.type(predict)
        refused = terminal.type(worse)
        assert "refused" in refused
        assert "to see the way back" in terminal.type(force)
        response_of(terminal, curl, '"version":"2"')
        assert "version 2 -> version 1" in terminal.type(back)
        response_of(terminal, curl, '"version":"1"')
    finally:
        server.terminate()
        terminal.end(server)
