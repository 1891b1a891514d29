"""Labelled rows and their Arrow schema."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from assay.corpus.entity import Entity as Entity  # re-exported: examples and entities are imported together


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled row.

    `text` is verbatim: offsets of `entities` refer to it, and cleaning happens during encoding.
    `label` is the class of the sentence (of the pair, where there is a `text_pair`). `entities` is
    None where the source has none, and empty where the row was read and holds none. `labels` are those that apply of
    several: None for a row that was not labelled, empty for one to which none applies.
    `split` is the published split of the row. `group` and `time` serve splitting: rows of one
    group are not independent, such as sentences of one document. `slices` are further columns for the breakdown of
    metrics.
    """

    id: str
    text: str
    text_pair: str | None = None
    label: str | None = None
    entities: tuple[Entity, ...] | None = None
    split: str | None = None
    group: str | None = None
    time: str | None = None
    slices: Mapping[str, str | None] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None

    @property
    def characters(self) -> int:
        """Number of characters of the text and of the second text, if any."""
        return len(self.text) + len(self.text_pair or "")


ENTITY_TYPE = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())])
SLICE_PREFIX = "slice."


def arrow_schema(slices: Iterable[str] = ()) -> pa.Schema:
    """Return the schema of a snapshot; each slice is a string column named `slice.NAME`."""
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("text_pair", pa.string()),
        pa.field("label", pa.string()),
        pa.field("entities", pa.list_(ENTITY_TYPE)),
        pa.field("split", pa.string()),
        pa.field("group", pa.string()),
        pa.field("time", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
    ]
    return pa.schema(fields + [pa.field(SLICE_PREFIX + name, pa.string()) for name in slices])


def to_batch(examples: Sequence[Example], schema: pa.Schema) -> pa.RecordBatch:
    """Convert examples to a batch of `arrow_schema`, column by column: five times as fast as record by record."""
    columns: dict[str, Any] = {
        "id": [example.id for example in examples],
        "text": [example.text for example in examples],
        "text_pair": [example.text_pair for example in examples],
        "label": [example.label for example in examples],
        "split": [example.split for example in examples],
        "group": [example.group for example in examples],
        "time": [example.time for example in examples],
        "labels": [example.labels for example in examples],
    }
    for name in schema.names:
        if name.startswith(SLICE_PREFIX):
            columns[name] = [example.slices.get(name.removeprefix(SLICE_PREFIX)) for example in examples]
    arrays = [
        _entity_array(examples) if field.name == "entities" else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def from_batch(batch: pa.RecordBatch) -> list[Example]:
    """Convert a batch back to examples; missing columns give None."""
    names = set(batch.schema.names)
    empty = [None] * batch.num_rows

    def values(name: str) -> list[Any]:
        return batch[name].to_pylist() if name in names else empty

    entities = _entity_lists(batch["entities"]) if "entities" in names else empty
    slices = {name.removeprefix(SLICE_PREFIX): values(name) for name in names if name.startswith(SLICE_PREFIX)}
    cells = zip(*slices.values(), strict=True) if slices else itertools.repeat((), batch.num_rows)
    rows: Iterable[Any] = zip(
        *(values(name) for name in ("id", "text", "text_pair", "label")),
        entities,
        *(values(name) for name in ("split", "group", "time")),
        (dict(zip(slices, cell, strict=True)) for cell in cells),
        (None if labels is None else tuple(labels) for labels in values("labels")),
        strict=True,
    )
    return [Example(*row) for row in rows]


def _entity_array(examples: Sequence[Example]) -> pa.Array:
    entities = [entity for example in examples for entity in example.entities or ()]
    items = pa.StructArray.from_arrays(
        [
            pa.array([entity.start for entity in entities], pa.int32()),
            pa.array([entity.end for entity in entities], pa.int32()),
            pa.array([entity.label for entity in entities], pa.string()),
        ],
        fields=list(ENTITY_TYPE),
    )
    counts = [0 if example.entities is None else len(example.entities) for example in examples]
    offsets = pa.array(itertools.accumulate(counts, initial=0), pa.int32())
    missing = pa.array([example.entities is None for example in examples], pa.bool_())
    return pa.ListArray.from_arrays(offsets, items, type=pa.list_(ENTITY_TYPE), mask=missing)


def _entity_lists(column: pa.ListArray) -> list[tuple[Entity, ...] | None]:
    items = column.flatten()
    entities = list(map(Entity, *(items.field(name).to_pylist() for name in ("start", "end", "label"))))
    counts = column.value_lengths().to_pylist()
    end = 0
    lists: list[tuple[Entity, ...] | None] = []
    for count in counts:
        begin, end = end, end + (count or 0)
        lists.append(None if count is None else tuple(entities[begin:end]))
    return lists


Head = Literal["sentence", "labels", "tokens"]
HEADS: tuple[Head, ...] = ("sentence", "labels", "tokens")
# What the labels are called that a head predicts.
LABEL_KINDS: Mapping[Head, str] = {"sentence": "class", "labels": "label", "tokens": "entity type"}
