"""Fixtures of the flow tests: a corpus file."""

from pathlib import Path

import pytest

from tests.flows.tiny import write_rows


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Write a file of 400 easy rows."""
    return write_rows(tmp_path / "rows.jsonl")
