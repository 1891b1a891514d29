"""Snapshots and recipes for tests that need rows but no source."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from corpus.example import Entity, Example
from corpus.snapshot import SnapshotWriter
from recipes.recipe import Recipe
from tasks.run import Ref, Run


def write_snapshot(folder: Path, examples: Iterable[Example], slices: Iterable[str] = ()) -> Ref:
    """Write examples, one document each, and refer to them by their digest."""
    folder.mkdir(parents=True)
    writer = SnapshotWriter(folder, slices, {"kind": "test"})
    for example in examples:
        writer.add([example])
    return Ref(path=folder, digest=writer.finish().digest)


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
