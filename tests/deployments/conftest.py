"""A bundle for servers."""

from pathlib import Path

import pytest

from tests.bundles import build_bundle


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a bundle: good is up, bad is down, Apple is an ORG."""
    folder = tmp_path_factory.mktemp("toy")
    build_bundle(folder, {"good": "up", "bad": "down"}, {"Apple": "ORG"})
    return folder
