"""Rows of a snapshot as flat pandas frames: Great Expectations supports no nested columns.

A column `fault.NAME` is null for a valid row, and otherwise describes its fault in a few words.
Texts themselves are left out, so that a frame of 50,000 rows stays small whatever their length.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from assay.corpus.example import Entity, Example, arrow_schema
from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.expectations import entity_faults as faults
from assay.recipes.recipe import Recipe

_SNIPPET = 40
_ENTITY_FAULTS: dict[str, Callable[[str, faults.Entities], Iterator[Entity]]] = {
    "fault.outside": faults.outside,
    "fault.empty": faults.empty,
    "fault.untyped": faults.untyped,
    "fault.overlap": faults.overlapping,
    "fault.bio": faults.lost_in_tags,
    "fault.padded": faults.padded,
    "fault.cut_word": faults.cutting_words,
}
_NO_FAULTS: dict[str, Any] = dict.fromkeys([*_ENTITY_FAULTS, "fault.unknown"])


class RowFrame:
    """Buffer of examples, one row each, until they are taken as a frame."""

    def __init__(self, recipe: Recipe) -> None:
        allowed = recipe.validation.entity_labels
        self._tokens = "tokens" in recipe.model.heads
        self._row_labels = recipe.validation.row_labels if "labels" in recipe.model.heads else None
        self._pair = recipe.source.fields.text_pair is not None
        self._allowed = None if allowed is None else frozenset(allowed)
        self._columns: dict[str, list[Any]] = {}
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, example: Example) -> None:
        """Add one example as a flat row."""
        row = {
            "id": example.id,
            "text_length": len(example.text),
            "fault.blank": _blank(example.text),
            "label": example.label,
            "split": example.split,
            "time": example.time,
        }
        if self._pair:
            row |= {"text_pair_length": _length(example.text_pair), "fault.blank_pair": _blank(example.text_pair)}
        if self._row_labels is not None:
            row["fault.unknown_label"] = _unknown_label(example, self._row_labels)
        if self._tokens:
            row |= self._entity_columns(example)
        if not self._rows:
            self._columns = {name: [] for name in row}
        for name, value in row.items():
            self._columns[name].append(value)
        self._rows += 1

    def take(self) -> pd.DataFrame:
        """Return the rows since the last call and clear the buffer."""
        # dtype object keeps None: a column of None alone must not become float.
        frame = pd.DataFrame(self._columns, dtype="object")
        self._columns, self._rows = {}, 0
        return frame

    def _entity_columns(self, example: Example) -> dict[str, Any]:
        entities = example.entities or ()
        columns: dict[str, Any] = {"entities": None if example.entities is None else len(entities), **_NO_FAULTS}
        if not faults.in_order(example.text, entities):
            for column, find in _ENTITY_FAULTS.items():
                columns[column] = _describe(example.text, find(example.text, entities))
        if self._allowed is not None:
            unknown = (entity for entity in entities if entity.label not in self._allowed)
            columns["fault.unknown"] = _describe(example.text, unknown)
        return columns


def schema_frame(snapshot: Snapshot) -> pd.DataFrame:
    """Return one row per column of the snapshot: its name as `id`, and its fault in any part."""
    expected = arrow_schema(snapshot.manifest.slices)
    column_faults: dict[str, str | None] = dict.fromkeys(expected.names)
    for path in snapshot.part_paths():
        for name, fault in _column_faults(expected, pq.read_schema(path)):
            column_faults[name] = column_faults.get(name) or f"{path.name}: {fault}"
    return pd.DataFrame({"id": list(column_faults), "fault.column": list(column_faults.values())}, dtype="object")


def _column_faults(expected: pa.Schema, actual: pa.Schema) -> Iterator[tuple[str, str]]:
    for field in expected:
        if field.name not in actual.names:
            yield field.name, "the column is missing"
        elif not actual.field(field.name).type.equals(field.type):
            yield field.name, f"the type is {actual.field(field.name).type}, not {field.type}"
        elif actual.field(field.name).nullable and not field.nullable:
            yield field.name, "the column may hold nulls"
    for name in actual.names:
        if name not in expected.names:
            yield name, "the column is not one of a snapshot"


def _describe(text: str, entities: Iterable[Entity]) -> str | None:
    """Return a description of the first faulty entity, with the words it covers."""
    entity = next(iter(entities), None)
    if entity is None:
        return None
    words = text[max(entity.start, 0) : max(entity.end, 0)]
    words = words if len(words) <= _SNIPPET else words[: _SNIPPET - 1] + "…"
    return f"{entity.label} {entity.start}:{entity.end} {words!r} in a text of {counted(len(text), 'character')}"


def _unknown_label(example: Example, allowed: Collection[str]) -> str | None:
    return next((repr(name) for name in example.labels or () if name not in allowed), None)


def _length(text: str | None) -> int | None:
    return None if text is None else len(text)


def _blank(text: str | None) -> str | None:
    if text is None or text.strip():
        return None
    return "empty" if not text else f"{counted(len(text), 'character')} of white space"
