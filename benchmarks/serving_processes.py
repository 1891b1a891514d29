"""Servers as processes of their own, as their users start them, and requests to them from another process."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import assay
from assay.models.checkpoint import Checkpoint
from assay.models.export.huggingface import write_huggingface
from assay.models.network import quiet
from assay.serving.bundle import Bundle
from benchmarks.serving_bundle import PLACE

HOST = "127.0.0.1"
START_SECONDS = 120
STOP_SECONDS = 20
# A hanging process must not block other measurements.
LOAD_SECONDS = 60
# Characters of the log of a server that did not start.
SHOWN = 2_000


@dataclass(frozen=True)
class Sending:
    """How requests are sent: by `clients` that each wait for their response, or at a `rate` for some seconds."""

    clients: int
    rate: float | None = None
    seconds: float = 0.0


@contextmanager
def serving(bundle: Bundle, *options: str) -> Iterator[int]:
    """Start `assay serve`. Yields: its port."""
    command = [sys.executable, "-m", "assay.cli", "serve", "--model", str(bundle.folder), *options]
    with _server(command) as port:
        yield port


@contextmanager
def mlflow_serving(save: Callable[[str], None]) -> Iterator[int]:
    """Start `mlflow models serve` of the model that `save` writes into a folder. Yields: its port."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model"
        with warnings.catch_warnings(record=True):
            save(path)
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", path, "--env-manager", "local"]
        with _server([*command, "--host", HOST]) as port:
            yield port


def save_bundle(bundle: Bundle, path: str) -> None:
    """Save the bundle for MLflow as it is registered."""
    import mlflow.pyfunc

    code = Path(assay.__file__).parent / "serving" / "pyfunc.py"
    artifacts = {"bundle": str(bundle.folder.resolve())}
    mlflow.pyfunc.save_model(path, python_model=str(code), artifacts=artifacts, pip_requirements=[])


def save_transformers_model(path: str) -> None:
    """Save the checkpoint of the bundle for MLflow as users of transformers do."""
    import mlflow.transformers
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with tempfile.TemporaryDirectory() as name, quiet():
        write_huggingface(Checkpoint.load(PLACE / "checkpoint"), Path(name), {})
        model: Any = AutoModelForSequenceClassification.from_pretrained(name, local_files_only=True)
        tokenizer: Any = AutoTokenizer.from_pretrained(name, local_files_only=True)
        components = {"model": model, "tokenizer": tokenizer}
        mlflow.transformers.save_model(components, path, task="text-classification", pip_requirements=[])


@contextmanager
def _server(command: Sequence[str]) -> Iterator[int]:
    """Start a server at a free port, and wait for its first response; end it with all its children."""
    port = _free_port()
    # MLflow calls uvicorn by its name.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    with tempfile.TemporaryFile() as log:
        # A process group, to end it with its children, but no new session: Linux would schedule that separately.
        started = subprocess.Popen(
            [*command, "--port", str(port)], stdout=log, stderr=log, process_group=0, env=environment
        )
        try:
            end = time.monotonic() + START_SECONDS
            while not _is_up(port):
                if started.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise SystemExit(f"it did not start: {' '.join(command)}\n{log.read().decode()[-SHOWN:]}")
                time.sleep(0.2)
            yield port
        finally:
            _end_group(started, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                started.wait(STOP_SECONDS)
            _end_group(started, signal.SIGKILL)
            started.wait()


def _end_group(started: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to a process and its children, if any are left."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, number)


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/ping", timeout=2) as response:  # our own
            return bool(response.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def request_bodies(texts: Sequence[str], body: Callable[[str], Mapping[str, Any]]) -> Iterator[Path]:
    """Write a file with one body per line. Yields: its path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bodies.jsonl"
        path.write_text("".join(f"{json.dumps(body(text))}\n" for text in texts), encoding="utf-8")
        yield path


def send(port: int, path: str, bodies: Path, sending: Sending) -> dict[str, Any]:
    """Send the requests from a process of its own.

    Returns:
        The report of `benchmarks.http_load`, and `responses`: the bodies by the number of the request.
    """
    responses = bodies.with_name("responses.json")
    command = [sys.executable, "-m", "benchmarks.http_load", str(port), path, str(bodies), "--limit", str(LOAD_SECONDS)]
    command += ["--clients", str(sending.clients), "--responses", str(responses)]
    if sending.rate is not None:
        command += ["--rate", str(sending.rate), "--seconds", str(sending.seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LOAD_SECONDS + 20)
    report: dict[str, Any] = json.loads(done.stdout)
    return {**report, "responses": json.loads(responses.read_text(encoding="utf-8"))}


def send_all(port: int, path: str, bodies: Path, clients: int) -> dict[str, Any]:
    """Send each request once, as `send` does, and end the measurement if a response is missing or an error."""
    report = send(port, path, bodies, Sending(clients))
    if report["broken"] or set(report["statuses"]) != {"200"}:
        raise SystemExit(
            f"{path} at port {port}: {report['broken']} connections broke, statuses {report['statuses']}; a rate of "
            "such requests says nothing"
        )
    return report


def rate(report: Mapping[str, Any]) -> float:
    """Return the successful responses per second."""
    return float(report["good"] / report["seconds"])
