"""The rows of a chunk that a model can predict, and the reasons against the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.corpus.documents.raw_document import InvalidRow
from assay.serving.batch.chunks import InputChunk
from assay.serving.batch.shards import Rejects
from assay.serving.engine import Row
from assay.serving.row_texts import text_fault


@dataclass(frozen=True, slots=True)
class ValidRows:
    """The valid rows of a chunk, and their indices in it."""

    chunk: InputChunk
    indices: list[int]
    rows: list[Row]

    @property
    def texts(self) -> list[str]:
        """Return the first text of each row."""
        return [row.text for row in self.rows]


def check_rows(chunk: InputChunk, fields: Sequence[str], id_field: str, rejects: Rejects) -> ValidRows:
    """Return the valid rows of a chunk, and record the invalid ones with their reasons."""
    columns = [chunk.column(field) for field in fields]
    indices, rows, faults = [], [], []
    for index, values in enumerate(zip(*columns, strict=True)):
        if reason := _row_fault(values, fields):
            faults.append((index, reason))
        else:
            indices.append(index)
            rows.append(Row(*values))
    if faults:
        ids = chunk.column(id_field)
        for index, reason in faults:
            row_id = ids[index].id if isinstance(ids[index], InvalidRow) else ids[index]
            rejects.add(chunk.number(index), row_id, reason)
    return ValidRows(chunk, indices, rows)


def _row_fault(values: Sequence[Any], fields: Sequence[str]) -> str | None:
    for field, value in zip(fields, values, strict=True):
        if reason := _value_fault(field, value):
            return reason
    return None


def _value_fault(field: str, value: Any) -> str | None:
    """Return why a text is invalid; None if it is valid."""
    return value.reason if isinstance(value, InvalidRow) else text_fault(value, field)
