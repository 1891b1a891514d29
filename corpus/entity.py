"""A span of a text. By itself, so that serving need not import Arrow for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A span of the text: character offsets, end exclusive, and its type."""

    start: int
    end: int
    label: str
