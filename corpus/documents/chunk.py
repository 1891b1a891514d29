"""Chunks of converted documents, ready to be written: rows as Arrow columns, reject lines, counts."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import pyarrow as pa
from pydantic import BaseModel

from assay.corpus.documents.annotators.recognised import format_remedy, recognised_format
from assay.corpus.documents.document_reader import DocumentReader, Reject
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.documents.tag_uses import TagUse
from assay.corpus.errors import DataError
from assay.corpus.example import Example, arrow_schema, to_batch

METADATA = b"assay"
SAMPLE = 100


class Counts(BaseModel):
    """Counts of a source: documents = used + filtered + rejected.

    A document is `used` when it gave at least one row, `filtered` when the recipe leaves it out,
    `rejected` when no part of it could be read. `rejects` counts lines of `rejects.jsonl`: a document
    may give valid rows and rejects. `no_label` counts the rows that are left out since their class means none
    (`source.no_label`).
    """

    documents: int = 0
    used: int = 0
    filtered: int = 0
    rejected: int = 0
    rows: int = 0
    rejects: int = 0
    no_label: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: value + getattr(other, name) for name, value in self})


@dataclass(frozen=True)
class DocumentChunk:
    """Rows and rejects of some documents, in their order.

    `label_keys` are the keys of the label map that matched labels of these documents or of earlier ones, `tag_uses`
    which of these documents show which tag scheme.
    """

    batch: pa.RecordBatch
    reject_lines: list[str]
    counts: Counts
    label_keys: frozenset[str] = frozenset()
    tag_uses: tuple[TagUse, ...] = ()

    def to_bytes(self) -> bytes:
        """Return an Arrow stream for another process; rejects and counts are in the metadata of its schema."""
        metadata = json.dumps(
            {
                "reject_lines": self.reject_lines,
                "counts": self.counts.model_dump(),
                "label_keys": sorted(self.label_keys),
                "tag_uses": [use.model_dump() for use in self.tag_uses],
            }
        )
        sink = pa.BufferOutputStream()
        schema = self.batch.schema.with_metadata({METADATA: metadata.encode()})
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(self.batch.replace_schema_metadata(schema.metadata))
        return bytes(sink.getvalue())

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read the result of `to_bytes`."""
        with pa.ipc.open_stream(content) as reader:
            batch = reader.read_next_batch()
        metadata = json.loads(batch.schema.metadata[METADATA])
        return cls(
            batch.replace_schema_metadata(None),
            metadata["reject_lines"],
            Counts(**metadata["counts"]),
            frozenset(metadata["label_keys"]),
            tuple(TagUse(**use) for use in metadata["tag_uses"]),
        )


class ChunkReader:
    """Converter of documents of one format to chunks."""

    def __init__(
        self, document_format: DocumentFormat, *, needs_label: bool, needs_entities: bool, needs_labels: bool = False
    ) -> None:
        """Take the arguments of `DocumentReader`.

        Raises:
            AssayError: the format does not name the fields that are needed.
        """
        self._reader = DocumentReader(
            document_format, needs_label=needs_label, needs_entities=needs_entities, needs_labels=needs_labels
        )
        self._schema = arrow_schema(document_format.fields.slices)
        # Lists of labels are rows, although some tools write them in the same way.
        self._is_checked = "format" in document_format.model_fields_set or needs_labels

    def read(self, documents: Iterable[Document | InvalidRow]) -> DocumentChunk:
        """Return rows, rejects and counts of some documents.

        Raises:
            DataError: the recipe names no format, and the first documents are those of an annotation tool.
        """
        if not self._is_checked:
            documents = list(documents)
            _check_format(documents)
            self._is_checked = True
        builder, before = ChunkBuilder(), self._reader.no_label
        for document in documents:
            if isinstance(document, InvalidRow):
                builder.add([], [(document.id, document.reason, document.row)])
            else:
                builder.add(*self._reader.read(document))
        chunk = builder.build(self._schema)
        return replace(
            chunk,
            counts=chunk.counts.model_copy(update={"no_label": self._reader.no_label - before}),
            label_keys=frozenset(self._reader.label_keys),
            tag_uses=tuple(self._reader.tags.take()),
        )


def _check_format(documents: Iterable[Document | InvalidRow]) -> None:
    """Refuse documents of a tool, whose rejected or disputed annotations would be read as gold."""
    first = itertools.islice((item.values for item in documents if isinstance(item, Document)), SAMPLE)
    if (tool := recognised_format(list(first))) is not None:
        raise DataError(f"{format_remedy(tool)}, or format: rows to read them as they are")


class ChunkBuilder:
    """Builder of a chunk from the rows and rejects of documents."""

    def __init__(self) -> None:
        self.examples: list[Example] = []
        self._lines: list[str] = []
        self._documents = self._used = self._filtered = 0

    def add(self, examples: list[Example], rejects: Iterable[Reject]) -> None:
        """Add one document: its rows, and (id, reason, excerpt) for each part that could not be read."""
        self._documents += 1
        self.examples += examples
        before = len(self._lines)
        self._lines += [reject_line(*reject) for reject in rejects]
        if examples:
            self._used += 1
        elif len(self._lines) == before:
            self._filtered += 1

    def build(self, schema: pa.Schema) -> DocumentChunk:
        """Return the chunk of all added documents."""
        counts = Counts(
            documents=self._documents,
            used=self._used,
            filtered=self._filtered,
            rejected=self._documents - self._used - self._filtered,
            rows=len(self.examples),
            rejects=len(self._lines),
        )
        return DocumentChunk(to_batch(self.examples, schema), self._lines, counts)


def reject_line(row_id: str, reason: str, row: Any) -> str:
    """Return a line of `rejects.jsonl`."""
    line = {"id": row_id, "reason": reason, "remedy": remedy_of(reason), "row": row}
    return json.dumps(line, ensure_ascii=False, default=repr) + "\n"
