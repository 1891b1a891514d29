"""The tutorial is typed, block by block, as a newcomer does."""

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
PATIENCE_S = 300  # a busy machine is no fault of the tutorial
OURS = ("make install", "mkdir ")  # what has happened when tests run, and the folder, which is the test's own


def blocks() -> list[str]:
    """The commands of the tutorial, a block at a time."""
    return re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)


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
        """Type a block and do not wait."""
        return subprocess.Popen(
            ["bash", "-ec", block.replace("8080", str(self._port))],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # what it started, a temporary Prefect server say, ends with it
        )

    def end(self, process: "subprocess.Popen[str]") -> str:
        """Wait for a block, and give what it wrote; one that takes too long is killed, and all that it started."""
        try:
            return process.communicate(timeout=PATIENCE_S)[0]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def type(self, block: str) -> str:
        """Type a block, wait for it, and give what it wrote; its exit code is the one that it names, else 0."""
        process = self.start(block)
        written = self.end(process)
        named = re.search(r"exit code (\d)", block)
        assert process.returncode == (int(named[1]) if named else 0), f"{block}\n{written}"
        return written


def answer_of(terminal: Terminal, block: str, wanted: str) -> str:
    """Ask the server until its answer holds what is wanted: it starts, and follows the alias, in its own time."""
    until = time.monotonic() + PATIENCE_S
    while True:
        process = terminal.start(block)
        written = terminal.end(process)
        if process.returncode == 0 and wanted in written:
            return written
        assert time.monotonic() < until, written
        time.sleep(0.5)


@pytest.mark.slow  # trains two models and starts a server, as its reader does
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial asks the server by curl, which is not here")
def test_every_command_of_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, free_port())
    typed = [block for block in blocks() if not block.startswith(OURS)]
    data, recipe, run, serve, curl, predict, worse, force, back = typed

    assert '"Parse"' in terminal.type(data)
    terminal.type(recipe)
    terminal.type(run)
    assert list(tmp_path.glob(".assay/runs/*/**/card.html"))
    server = terminal.start(f"exec {serve}")
    try:
        assert "Lindqvist Ltd" in answer_of(terminal, curl, '"version":"1"')
        assert '"id": 1' in terminal.type(predict)
        refused = terminal.type(worse)
        assert "refused" in refused
        assert "to see the way back" in terminal.type(force)
        answer_of(terminal, curl, '"version":"2"')
        assert "version 2 -> version 1" in terminal.type(back)
        answer_of(terminal, curl, '"version":"1"')
    finally:
        server.terminate()
        terminal.end(server)
