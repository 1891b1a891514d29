"""Rows encoded once into a memory-mapped Arrow file: training reads slices of it and holds no text."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.models.crf import IGNORED
from assay.serving.decoding import tag_words
from assay.serving.encoding import EncodedText, TextEncoder, Word

# Every record batch except the last has this many rows, so that row i lies in batch i // ROWS_PER_CHUNK.
ROWS_PER_CHUNK = 2048
T = TypeVar("T")
SCHEMA = pa.schema(
    [
        ("ids", pa.list_(pa.int32())),
        ("type_ids", pa.list_(pa.int8())),
        ("label", pa.int32()),
        ("word_ids", pa.list_(pa.int32())),
        ("starts", pa.list_(pa.int32())),
        ("ends", pa.list_(pa.int32())),
        ("tags", pa.list_(pa.int32())),
        ("weight", pa.float32()),
        ("row_labels", pa.list_(pa.int32())),
    ]
)
Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Classes, BIO tags and row labels of the heads, in the order of the logits; empty for a missing head."""

    labels: list[str]
    tags: list[str]
    row_labels: list[str] = field(default_factory=list)

    def class_id(self, row: Example) -> int:
        """Return the number of the row's class; `IGNORED` if it has none.

        Raises:
            AssayError: no training row has that class.
        """
        if not self.labels or row.label is None:
            return IGNORED
        try:
            return self.labels.index(row.label)
        except ValueError:
            raise AssayError(
                f"row {row.id!r} has label {row.label!r}, which no training row has; "
                "add training rows of it, or exclude it with source.label_map or source.filter"
            ) from None

    def tag_ids(self, row: Example, words: Sequence[Word]) -> list[int]:
        """Return the number of the tag of each word; `IGNORED` if the row has no labelled entities.

        Raises:
            AssayError: no training row has an entity of that type.
        """
        if not self.tags or row.entities is None:
            return [IGNORED] * len(words)
        try:
            return [self.tags.index(tag) for tag in tag_words(row.entities, words)]
        except ValueError:
            raise AssayError(
                f"row {row.id!r} has an entity of type {self._unknown(row.entities)!r}, which no training row has; "
                "add training rows of it, or remove the type from the source"
            ) from None

    def applied(self, row: Example) -> list[int]:
        """Return 1 for each row label that applies and 0 for the others; `IGNORED` for all if the row is not labelled.

        Raises:
            AssayError: no training row has one of its labels.
        """
        if row.labels is None:
            return [IGNORED] * len(self.row_labels)
        if self.row_labels and (unknown := sorted(set(row.labels) - set(self.row_labels))):
            raise AssayError(
                f"row {row.id!r} has the label {unknown[0]!r}, which no training row has; add training rows of it, or "
                "map it to another with source.label_map"
            )
        return [int(name in row.labels) for name in self.row_labels]

    def _unknown(self, entities: Iterable[Entity]) -> str:
        return next(entity.label for entity in entities if f"B-{entity.label}" not in self.tags)


class EncodedRows:
    """Encoded rows on disk, read as slices of the mapped file."""

    def __init__(self, path: Path) -> None:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self._lists: dict[str, list[tuple[Ints, Ints]]] = {
            field.name: [_flat(chunk) for chunk in table[field.name].chunks]
            for field in SCHEMA
            if pa.types.is_list(field.type)
        }
        self.labels: Ints = table["label"].to_numpy()
        self.weights: Floats = table["weight"].to_numpy()
        self.lengths: Ints = np.concatenate(
            [np.diff(offsets) for _, offsets in self._lists["ids"]] or [np.zeros(0, dtype=np.int32)]
        )

    @classmethod
    def write(
        cls,
        path: Path,
        rows: Collection[Example],
        encoder: TextEncoder,
        label_set: LabelSet,
        weights: Sequence[float] | None = None,
    ) -> Self:
        """Encode rows in chunks, and open the result.

        Args:
            path: the Arrow file.
            rows: rows to encode.
            encoder: encoder of texts into ids.
            label_set: classes and tags with their numbers.
            weights: sample weights; None weighs all rows equally.

        Raises:
            AssayError: a row has a class or an entity type that is not in the label set.
        """
        weighted = zip(rows, [1.0] * len(rows) if weights is None else weights, strict=True)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            for chunk in _chunks(weighted):
                encoded = encoder.encode(
                    [row.text for row, _ in chunk],
                    [row.text_pair for row, _ in chunk],
                    with_words=bool(label_set.tags),
                )
                records = [
                    {**_record(row, text, label_set), "weight": weight}
                    for (row, weight), text in zip(chunk, encoded, strict=True)
                ]
                writer.write_batch(pa.RecordBatch.from_pylist(records, schema=SCHEMA))
        return cls(path)

    def __len__(self) -> int:
        return len(self.lengths)

    def get(self, column: str, row: int) -> Ints:
        """Return one list of one row, without a copy."""
        chunk, position = divmod(row, ROWS_PER_CHUNK)
        values, offsets = self._lists[column][chunk]
        return values[offsets[position] : offsets[position + 1]]

    def words(self, row: int) -> list[Word]:
        """Return the words of one row."""
        columns = (self.get(name, row).tolist() for name in ("word_ids", "starts", "ends"))
        return [Word(*word) for word in zip(*columns, strict=True)]

    def used_ids(self) -> Ints:
        """Return all token ids that occur, sorted."""
        ids_of_chunks = [np.unique(values) for values, _ in self._lists["ids"]]
        return np.unique(np.concatenate(ids_of_chunks)) if ids_of_chunks else np.zeros(0, dtype=np.int32)


def _chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while chunk := list(itertools.islice(iterator, ROWS_PER_CHUNK)):
        yield chunk


def _record(row: Example, text: EncodedText, label_set: LabelSet) -> dict[str, Any]:
    return {
        "ids": text.ids,
        "type_ids": text.type_ids,
        "label": label_set.class_id(row),
        "word_ids": [word.token for word in text.words],
        "starts": [word.start for word in text.words],
        "ends": [word.end for word in text.words],
        "tags": label_set.tag_ids(row, text.words),
        "row_labels": label_set.applied(row),
    }


def _flat(chunk: Any) -> tuple[Ints, Ints]:
    return chunk.values.to_numpy(), chunk.offsets.to_numpy()
