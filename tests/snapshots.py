"""Snapshots and recipes for tests that need rows but no source."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.recipe import Recipe
from assay.runs.run import Run


def write_snapshot(folder: Path, examples: Iterable[Example], slices: Iterable[str] = ()) -> ArtifactRef[Snapshot]:
    """Write examples, one document each, and refer to them by their digest."""
    folder.mkdir(parents=True)
    writer = SnapshotWriter(folder, slices, {"kind": "test"})
    for example in examples:
        writer.add([example])
    return ArtifactRef[Snapshot](path=folder, digest=writer.finish().digest)


def recipe_values(**parts: Any) -> dict[str, Any]:
    """The least recipe for a sentence head, with parts replaced."""
    return {
        "name": "tiny",
        "source": {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": {"label": "label"}},
        "model": {"scratch": {}, "heads": ["sentence"]},
        "gate": {"min_f1": {"sentence": 0.6}},
        "registry": {"name": "tiny"},
        **parts,
    }


def make_run(store: Path, key: str = "first", **parts: Any) -> Run:
    """A run that logs nowhere."""
    recipe = Recipe.model_validate(recipe_values(**parts))
    return Run(key=key, recipe=recipe, store=store, tracking_uri=f"sqlite:///{store}/mlflow.db", mlflow_run="none")


def spans(text: str, **types: str) -> tuple[Entity, ...]:
    """Entities of a text by type: `spans("Rome", CITY="Rome")`."""
    found = ((text.index(word), word, label) for label, word in types.items())
    return tuple(sorted(Entity(start, start + len(word), label) for start, word, label in found))
