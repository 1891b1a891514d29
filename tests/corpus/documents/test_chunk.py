import pytest

from assay.corpus.documents.chunk import ChunkReader, DocumentChunk
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


def test_chunk_reader_counts_rows_without_a_label_in_each_chunk() -> None:
    format_ = DocumentFormat.model_validate({"fields": {"label": "label"}, "no_label": ["-1", "unlabelled"]})
    reader = ChunkReader(format_, needs_label=True, needs_entities=False)
    labels = ["good", -1, "unlabelled", "", None]
    documents = [Document(str(n), {"text": "a text", "label": label}) for n, label in enumerate(labels)]
    first, second = reader.read(documents), DocumentChunk.from_bytes(reader.read(documents[:2]).to_bytes())
    assert (first.counts.no_label, first.counts.filtered, first.counts.rows) == (4, 4, 1)
    assert (first.counts + second.counts).no_label == 5


def test_chunk_reader_folds_values_that_mean_no_label_as_it_folds_labels() -> None:
    values = {"fields": {"label": "label"}, "no_label": ["Unlabelled"]}
    documents = [Document(label, {"text": "a text", "label": label}) for label in ("Good", "unlabelled", " UNLABELLED")]
    for fold, left_out in ((False, 0), (True, 2)):
        format_ = DocumentFormat.model_validate({**values, "fold_labels": fold})
        reader = ChunkReader(format_, needs_label=True, needs_entities=False)
        assert reader.read(documents).counts.no_label == left_out


def test_chunk_reader_counts_sentences_without_a_label() -> None:
    reader = ChunkReader(DocumentFormat(format="parse", no_label=["-1"]), needs_label=True, needs_entities=False)
    sentences = [{"Text": "a text", "sentiment": label} for label in (-1, "good", -1)]
    counts = reader.read([Document("1", {"Parse": sentences})]).counts
    assert (counts.used, counts.filtered, counts.rows, counts.no_label) == (1, 0, 1, 2)


def test_chunk_reader_reads_documents_of_a_tool_in_the_format_that_is_set() -> None:
    as_rows = DocumentFormat.model_validate({"format": "rows", "fields": {"entities": "spans"}})

    assert ChunkReader(as_rows, **NEEDS).read([Document("1", REJECTED)]).counts.rows == 1
    assert ChunkReader(DocumentFormat(format="prodigy"), **NEEDS).read([Document("1", REJECTED)]).counts.filtered == 1
