"""Objects as a reader of a source yields them: raw documents, and invalid rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_TEXT = 500
MAX_ITEMS = 50
MAX_DEPTH = 6
# Names of the splits, as published data sets write them.
SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One object of the source.

    `position` is its place in the source, and its id where the recipe names no id field. `split_name` is the
    published split, where the file or published split of the object implies it. `group` is the group of the row where
    the recipe names no field of it. A `filtered` document is one that the recipe's filter leaves out. `others` are what
    other people have annotated of the same text, where a tool exports a document per person.
    """

    position: str
    values: Mapping[str, Any]
    split_name: str | None = None
    group: str | None = None
    filtered: bool = False
    others: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row at `id` that could not be read, the reason and an excerpt. Reasons read `kind` or `kind: detail`."""

    id: str
    reason: str
    row: Any


def shorten(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return the value as portable JSON: long texts and lists are cut, NaN and foreign types become text."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + f"… ({len(value)} characters)"
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if depth and isinstance(value, Mapping):
        return {str(key): shorten(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [shorten(item, depth - 1) for item in value[:MAX_ITEMS]]
    return f"{type(value).__name__}" if isinstance(value, Mapping | list | tuple) else repr(value)[:MAX_TEXT]
