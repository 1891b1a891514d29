from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.serving.bundle import Bundle
from tests.bundles import build_bundle
from tests.finished_run import finished
from tests.gate_candidates import candidate
from tests.registry.toy_registry import mlflow_run, registry, uri
from tests.versions import make_version

__all__ = ["MakeBundle", "candidate", "finished", "make_bundle", "make_version", "mlflow_run", "registry", "uri"]

MakeBundle = Callable[..., Bundle]


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """Return `make(name, classes={word: class}, entities={word: type}, ...)`; see `build_bundle`."""

    def make(
        name: str = "bundle",
        classes: Mapping[str, str] | None = None,
        entities: Mapping[str, str] | None = None,
        labels: Sequence[str] | None = None,
        **changes: Any,
    ) -> Bundle:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        return build_bundle(folder, classes or {}, entities or {}, labels, changes)

    return make
