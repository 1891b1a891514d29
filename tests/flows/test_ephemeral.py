"""Prefect's temporary server."""

import subprocess
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from assay.corpus.errors import AssayError
from assay.flows import ephemeral
from assay.flows.ephemeral import TemporaryServer

HEAVY = ("torch", "transformers", "sklearn", "matplotlib", "optuna", "great_expectations", "prefect.server.api.server")


@pytest.mark.slow  # starts Prefect's server
def test_temporary_server_responds_and_ends_with_its_stdin(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    server = TemporaryServer()
    try:
        server.wait(300)
        connection = HTTPConnection(urlsplit(server.address).netloc)
        connection.request("GET", "/api/health")
        assert connection.getresponse().read() == b"true"
        connection.close()
    finally:
        server.stop()
    with pytest.raises(OSError, match="refused"):
        HTTPConnection(urlsplit(server.address).netloc).connect()


def test_temporary_server_names_its_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ephemeral, "SERVER", "assay.nothing_of_this_name")
    server = TemporaryServer()
    with pytest.raises(AssayError, match=r"ended with exit code 1 \(.*No module named assay.nothing_of_this_name\)"):
        server.wait(60)
    server.stop()


def test_start_early_leaves_a_configured_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.delitem(sys.modules, "prefect", raising=False)
    ephemeral.start_early()
    assert ephemeral.address() is None


def test_training_flow_imports_nothing_that_only_later_steps_need() -> None:
    code = f"import sys, assay.flows.training; print([name for name in {HEAVY!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
