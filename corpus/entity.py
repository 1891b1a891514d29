"""Labelled spans of a text; a module of its own, so that serving does not import Arrow for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A span of a text: character offsets, end exclusive, and its type."""

    start: int
    end: int
    label: str
