"""What a reader hands on: one object as the source holds it, or what it could not make an object of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_TEXT = 500
LONGEST_LIST = 50
DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Document:
    """One object of the source.

    `position` says where it stands and is its id where the recipe names no field for that. `side` is the
    side the publisher put it on, where the file or published split it came from says so.
    """

    position: str
    values: Mapping[str, Any]
    split_name: str | None = None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """Something at `id` that could not be read, why, and an excerpt of it. Reasons read `kind` or `kind: detail`."""

    id: str
    reason: str
    row: Any


def shorten(value: Any, depth: int = DEEPEST) -> Any:
    """The value as JSON that any tool can read: long texts and lists cut, NaN and foreign types as text."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT] + f"… ({len(value)} characters)"
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if depth and isinstance(value, Mapping):
        return {str(key): shorten(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [shorten(item, depth - 1) for item in value[:LONGEST_LIST]]
    return f"{type(value).__name__}" if isinstance(value, Mapping | list | tuple) else repr(value)[:LONGEST_TEXT]
