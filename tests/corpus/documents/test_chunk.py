import pytest

from assay.corpus.documents.chunk import ChunkReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import DataError

NEEDS = {"needs_label": False, "needs_entities": True}
REJECTED = {"text": "Globex buys land", "spans": [{"start": 0, "end": 6, "label": "ORG"}], "answer": "reject"}


def test_chunk_reader_refuses_documents_of_a_tool_without_a_format() -> None:
    reader = ChunkReader(DocumentFormat.model_validate({"fields": {"entities": "spans"}}), **NEEDS)

    with pytest.raises(DataError) as error:
        reader.read([InvalidRow("0", "not valid JSON", None), Document("1", REJECTED)])

    assert str(error.value) == (
        "these are examples of Prodigy; set source.format: prodigy, or format: rows to read them as they are"
    )


def test_chunk_reader_reads_documents_of_a_tool_in_the_format_that_is_set() -> None:
    as_rows = DocumentFormat.model_validate({"format": "rows", "fields": {"entities": "spans"}})

    assert ChunkReader(as_rows, **NEEDS).read([Document("1", REJECTED)]).counts.rows == 1
    assert ChunkReader(DocumentFormat(format="prodigy"), **NEEDS).read([Document("1", REJECTED)]).counts.filtered == 1
