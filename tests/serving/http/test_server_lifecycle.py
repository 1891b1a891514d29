"""The server process, as started by `assay serve`."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from assay.serving.bundle import Bundle
from tests.ports import free_port
from tests.serving.http.conftest import LOCAL
from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[3]


@contextmanager
def serving(bundle: Bundle, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a server process that is ready, and its URL."""
    port = free_port()
    command = [sys.executable, "-m", "assay.cli", "serve", "--model", str(bundle.folder), "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
    try:
        url = f"{LOCAL}:{port}"
        wait_until(lambda: process.poll() is not None or is_up(url))
        yield process, url
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ping").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow  # a process that imports and loads, and five seconds of draining
def test_serve_drains_at_sigterm_without_a_failed_request(heavy: Bundle) -> None:
    with serving(heavy, "--drain", "5", "--deadline", "60") as (process, url):
        stop = threading.Event()
        statuses: Counter[int] = Counter()
        failed: list[Exception] = []

        def ask() -> None:
            with httpx.Client(base_url=url, timeout=30) as client:
                while not stop.is_set():
                    try:
                        response = client.post("/predict", json={"text": "good " * 20})
                    except httpx.HTTPError as error:
                        failed.append(error)
                        return
                    statuses[response.status_code] += 1
                    if response.headers.get("connection") == "close":
                        return  # as a load balancer: the next request goes to another replica

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        wait_until(lambda: statuses[200] > 20)
        process.send_signal(signal.SIGTERM)
        # The server is not ready any more, and still serves requests.
        wait_until(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 503)
        assert httpx.get(f"{url}/v2/health/live").status_code == 200
        response = httpx.post(f"{url}/predict", json={"text": "good"})
        assert (response.status_code, response.headers["connection"]) == (200, "close")
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        stop.set()
        for client in clients:
            client.join()
        assert not failed
        assert set(statuses) == {200}


@pytest.mark.slow  # a process that imports and loads
def test_serve_finishes_running_requests_at_sigterm(heavy: Bundle) -> None:
    with serving(heavy, "--drain", "0", "--deadline", "60") as (process, url):
        responses: list[httpx.Response] = []
        texts = ["good " * 60] * 20
        client = threading.Thread(
            target=lambda: responses.append(httpx.post(f"{url}/predict", json={"texts": texts}, timeout=60))
        )
        client.start()
        wait_until(lambda: "assay_batch_rows_count 0.0" not in httpx.get(f"{url}/metrics").text)
        process.send_signal(signal.SIGTERM)
        client.join()
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        assert responses[0].status_code == 200
        assert len(responses[0].json()["predictions"]) == 20


@pytest.mark.slow  # two processes that import and load
def test_serve_reads_its_token_from_a_variable_and_logs_its_model(toy: Bundle) -> None:
    with serving(toy, "--token", "env:SERVE_TOKEN", SERVE_TOKEN="a secret of the tests") as (process, url):
        assert httpx.get(f"{url}/model").status_code == 401
        known = {"Authorization": "Bearer a secret of the tests"}
        assert httpx.get(f"{url}/model", headers=known).json()["name"] == "toy"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGINT
        assert process.stderr is not None
        logged = process.stderr.read()
        assert "toy" in logged
        assert url in logged
        assert "a secret" not in logged


@pytest.mark.slow  # a process that imports and ends
def test_serve_reports_a_broken_model_in_one_line(toy: Bundle) -> None:
    toy.model_path.write_bytes(b"other")
    with serving(toy) as (process, _):
        _, errors = process.communicate()
        assert process.returncode == 1
        assert errors.startswith("assay: ")
        assert "differs from its digest" in errors
        assert errors.count("\n") == 1


def test_server_imports_no_heavy_packages() -> None:
    heavy = ("torch", "transformers", "prefect", "mlflow", "pandas", "sklearn", "pyarrow")
    program = f"import sys, assay.serving.http.server; print([name for name in {heavy!r} if name in sys.modules])"
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
