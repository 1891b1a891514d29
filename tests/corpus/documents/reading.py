"""Read documents with a recipe's `source` section, for the tests of document formats."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from assay.corpus.documents.chunk import ChunkReader
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.example import Example

Values = Mapping[str, Any]


def as_arrow(*documents: Values) -> list[Values]:
    """Return documents as Parquet and the hub hold them: each has the members of all others, null where absent."""
    values: list[Values] = pa.array(list(documents)).to_pylist()
    return values


def rows_of(source: Mapping[str, Any], *documents: Values, label: bool = False) -> list[Example]:
    """Return the rows of documents, none of which may be rejected; entities are read unless `label` is set."""
    reader = DocumentReader(DocumentFormat.model_validate(source), needs_label=label, needs_entities=not label)
    rows: list[Example] = []
    for number, document in enumerate(documents):
        examples, rejects = reader.read(Document(str(number), document))
        assert not rejects
        rows += examples
    return rows


def entities_of(source: Mapping[str, Any], *documents: Values) -> list[list[tuple[str, str]]]:
    """Return the words and the type of each entity of each row."""
    return [[(row.text[e.start : e.end], e.label) for e in row.entities or ()] for row in rows_of(source, *documents)]


def labels_of(source: Mapping[str, Any], *documents: Values) -> list[str | None]:
    """Return the class of each row."""
    return [row.label for row in rows_of(source, *documents, label=True)]


def label_sets_of(source: Mapping[str, Any], *documents: Values) -> list[tuple[str, ...] | None]:
    """Return the labels that apply to each row, of which none may be rejected."""
    read = [_set_reader(source).read(Document(str(number), document)) for number, document in enumerate(documents)]
    assert not [reject for _, rejects in read for reject in rejects]
    return [row.labels for rows, _ in read for row in rows]


def set_reject_of(source: Mapping[str, Any], document: Values) -> str:
    """Return the reason for which a document gives no list of labels."""
    examples, [(_, reason, _)] = _set_reader(source).read(Document("0", document))
    assert not examples
    return reason


def _set_reader(source: Mapping[str, Any]) -> DocumentReader:
    form = DocumentFormat.model_validate(source)
    return DocumentReader(form, needs_label=False, needs_entities=False, needs_labels=True)


def reject_of(source: Mapping[str, Any], document: Values, *, label: bool = False) -> str:
    """Return the reason for which a document is rejected."""
    reader = DocumentReader(DocumentFormat.model_validate(source), needs_label=label, needs_entities=not label)
    examples, [(_, reason, _)] = reader.read(Document("0", document))
    assert not examples
    return reason


def counts_of(source: Mapping[str, Any], *documents: Values) -> tuple[int, int, int]:
    """Return how many documents are used, filtered and rejected."""
    reader = ChunkReader(DocumentFormat.model_validate(source), needs_label=False, needs_entities=True)
    counts = reader.read(Document(str(number), document) for number, document in enumerate(documents)).counts
    return counts.used, counts.filtered, counts.rejected
