"""One row of labelled text, and its Arrow form."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from corpus.entity import Entity as Entity  # examples and their entities are imported together


@dataclass(frozen=True, slots=True)
class Example:
    """One row.

    `text` is verbatim: offsets of `entities` refer to it, and cleaning happens when it is encoded.
    `label` is the class of the sentence (of the pair, where there is a `text_pair`). `entities` is
    None where the source has none to give, and empty where the row was read and holds none.
    `split` is the side the publisher put the row on. `group` and `time` serve the split; `slices`
    are further columns by which figures are broken down.
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


ENTITY_TYPE = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())])
SLICE_PREFIX = "slice."


def arrow_schema(slices: Iterable[str] = ()) -> pa.Schema:
    """The columns of a snapshot; each slice column is a string column named `slice.NAME`."""
    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("text_pair", pa.string()),
        pa.field("label", pa.string()),
        pa.field("entities", pa.list_(ENTITY_TYPE)),
        pa.field("split", pa.string()),
        pa.field("group", pa.string()),
        pa.field("time", pa.string()),
    ]
    return pa.schema(fields + [pa.field(SLICE_PREFIX + name, pa.string()) for name in slices])


def to_record(example: Example) -> dict[str, Any]:
    """The example as one flat record of `arrow_schema`."""
    entities = example.entities
    return {
        "id": example.id,
        "text": example.text,
        "text_pair": example.text_pair,
        "label": example.label,
        "entities": None
        if entities is None
        else [{"start": e.start, "end": e.end, "label": e.label} for e in entities],
        "split": example.split,
        "group": example.group,
        "time": example.time,
        **{SLICE_PREFIX + name: value for name, value in example.slices.items()},
    }


def from_record(record: Mapping[str, Any]) -> Example:
    """The inverse of `to_record`."""
    entities = record.get("entities")
    return Example(
        id=record["id"],
        text=record["text"],
        text_pair=record.get("text_pair"),
        label=record.get("label"),
        entities=None if entities is None else tuple(Entity(e["start"], e["end"], e["label"]) for e in entities),
        split=record.get("split"),
        group=record.get("group"),
        time=record.get("time"),
        slices={
            name.removeprefix(SLICE_PREFIX): value for name, value in record.items() if name.startswith(SLICE_PREFIX)
        },
    )
