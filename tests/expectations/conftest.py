from collections.abc import Callable, Iterable
from typing import Any

import pytest

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.recipes.recipe import Recipe

MakeRecipe = Callable[..., Recipe]
MakeSnapshot = Callable[..., Snapshot]


@pytest.fixture(scope="session")
def make_recipe() -> MakeRecipe:
    """A recipe with the given heads and parts; small limits, so that small snapshots pass."""

    def make(
        heads: tuple[str, ...] = ("sentence",),
        fields: dict[str, Any] | None = None,
        validation: dict[str, Any] | None = None,
        **parts: Any,
    ) -> Recipe:
        values = {
            "name": "test",
            "source": {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": fields or {}},
            "validation": {"min_rows": 4, "min_class_rows": 2} | (validation or {}),
            "model": {"scratch": {}, "heads": list(heads)},
            "gate": {"min_f1": dict.fromkeys(heads, 0.5)},
            "registry": {"name": "test"},
        }
        return Recipe.model_validate(values | parts)

    return make


@pytest.fixture(scope="session")
def make_snapshot(tmp_path_factory: pytest.TempPathFactory) -> MakeSnapshot:
    """Write examples, one document each, and documents that could not be read."""

    def make(examples: Iterable[Example], rejects: Iterable[tuple[str, str, Any]] = ()) -> Snapshot:
        folder = tmp_path_factory.mktemp("snapshot")
        writer = SnapshotWriter(folder, [], {})
        for example in examples:
            writer.add([example])
        for reject in rejects:
            writer.add([], [reject])
        writer.finish()
        return Snapshot.load(folder)

    return make


@pytest.fixture(scope="session")
def sentences() -> list[Example]:
    """Clean rows: five words, two classes in turn."""
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    return [
        Example(id=f"s{number}", text=f"{word} shares moved today", label="up" if number % 2 else "down")
        for number, word in enumerate(words)
    ]


@pytest.fixture(scope="session")
def joint(sentences: list[Example]) -> list[Example]:
    """The same rows; the first word is a company."""
    return [
        Example(id=row.id, text=row.text, label=row.label, entities=(Entity(0, row.text.index(" "), "COMPANY"),))
        for row in sentences
    ]
