"""The folder of a store before anything is written to it."""

from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.runs.store_folder import check_store


def test_check_store_creates_nothing(tmp_path: Path) -> None:
    check_store(tmp_path / "new" / "store")
    assert list(tmp_path.iterdir()) == []


def test_check_store_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AssayError, match=r"file is a file; move it away"):
        check_store(tmp_path / "file" / "store")
