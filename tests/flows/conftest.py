"""A corpus file, and Prefect's own test server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.testing.utilities import prefect_test_harness

from tests.flows.tiny import write_rows


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server with a database of its own."""
    with prefect_test_harness(server_startup_timeout=60):
        yield


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A file of 400 easy rows."""
    return write_rows(tmp_path / "rows.jsonl")
