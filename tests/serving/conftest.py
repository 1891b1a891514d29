"""Bundles with known predictions: every word votes for a class, or is an entity."""

from collections.abc import Callable
from pathlib import Path

import pytest

from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from tests.bundles import build_bundle

CLASSES = {"good": "up", "fine": "up", "bad": "down"}
ENTITIES = {"Apple": "ORG", "Müller": "PER", "München": "LOC"}

BuildToy = Callable[..., Bundle]


@pytest.fixture
def build_toy(tmp_path: Path) -> BuildToy:
    """Return `build(name, **manifest_fields)`, which builds a bundle with both heads."""

    def build(name: str = "bundle", **changes: object) -> Bundle:
        folder = tmp_path / name
        folder.mkdir()
        return build_bundle(folder, CLASSES, ENTITIES, changes=changes)

    return build


@pytest.fixture
def toy(build_toy: BuildToy) -> Bundle:
    """Return the bundle without changes."""
    return build_toy()


@pytest.fixture
def engine(toy: Bundle) -> Engine:
    """Return an engine of the bundle."""
    return Engine(toy, threads=1)
