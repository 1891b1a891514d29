"""Which rows a model can answer, and why it cannot answer the others."""

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
    """The rows of a portion that go through the model; `indices` are those in the portion."""

    chunk: InputChunk
    indices: list[int]
    rows: list[Row]

    @property
    def texts(self) -> list[str]:
        """The first text of each."""
        return [row.text for row in self.rows]


def check_rows(chunk: InputChunk, fields: Sequence[str], id_field: str, rejects: Rejects) -> ValidRows:
    """Take the rows whose texts can be answered, and note the others with their reason."""
    texts = [chunk.column(field) for field in fields]
    indices, rows, bad = [], [], []
    for index, values in enumerate(zip(*texts, strict=True)):
        if reason := _row_fault(values, fields):
            bad.append((index, reason))
        else:
            indices.append(index)
            rows.append(Row(*values))
    if bad:
        ids = chunk.column(id_field)
        for index, reason in bad:
            row_id = ids[index].id if isinstance(ids[index], InvalidRow) else ids[index]
            rejects.add(chunk.number(index), row_id, reason)
    return ValidRows(chunk, indices, rows)


def _row_fault(values: Sequence[Any], fields: Sequence[str]) -> str | None:
    for field, value in zip(fields, values, strict=True):
        if reason := _fault(field, value):
            return reason
    return None


def _fault(field: str, value: Any) -> str | None:
    """Why a text cannot be answered."""
    return value.reason if isinstance(value, InvalidRow) else text_fault(value, field)
