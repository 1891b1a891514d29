import json
from typing import Any

import bson
import pyarrow as pa
import pytest

from assay.corpus.documents.chunk import ChunkReader, DocumentChunk
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.corpus.sources import parallel_reader
from assay.corpus.sources.mongo import decode, id_text
from assay.corpus.sources.parallel_reader import read_chunks
from demo.virtual import virtual_documents

FORMAT = DocumentFormat.model_validate(
    {
        "format": "parse",
        "fields": {"slices": {"source": "source"}},
        "entity": {"name": "EntityName", "label": "type"},
    }
)
NEEDS: dict[str, Any] = {"needs_label": True, "needs_entities": True}


@pytest.fixture(scope="module")
def batches() -> list[bytes]:
    documents = [bson.encode(document) for document in virtual_documents(1_200, seed=3)]
    return [b"".join(documents[begin : begin + 40]) for begin in range(0, len(documents), 40)]


def combined(chunks: list[DocumentChunk]) -> tuple[pa.Table, list[str], dict[str, int]]:
    counts = sum((chunk.counts for chunk in chunks[1:]), chunks[0].counts)
    lines = [line for chunk in chunks for line in chunk.reject_lines]
    return pa.Table.from_batches([chunk.batch for chunk in chunks]), lines, counts.model_dump()


def test_read_chunks_equals_one_process_in_the_same_order(batches: list[bytes]) -> None:
    alone = ChunkReader(FORMAT, **NEEDS)
    expected = combined([alone.read(decode(batch)) for batch in batches])
    parallel = combined(list(read_chunks(batches, FORMAT, **NEEDS, workers=2)))
    assert parallel[0].equals(expected[0])
    assert parallel[1:] == expected[1:]
    assert expected[2]["documents"] == 1_200
    assert expected[1]


def test_read_chunks_starts_no_worker_for_few_batches(batches: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(parallel_reader, "_Worker")
    few = batches[: parallel_reader.BATCHES_ALONE]
    assert len(list(read_chunks(few, FORMAT, **NEEDS, workers=2))) == len(few)


def test_read_chunks_fails_with_one_line_if_a_worker_dies(batches: list[bytes]) -> None:
    broken = [*batches[: parallel_reader.BATCHES_ALONE], b"\x05\0\0\0\0\xff not BSON"]
    with pytest.raises(AssayError, match="a process that reads documents ended with exit code 1; free memory"):
        list(read_chunks(broken, FORMAT, **NEEDS, workers=2))


@pytest.mark.parametrize("document_format", [FORMAT, DocumentFormat.model_validate({"fields": {"label": "label"}})])
def test_chunk_reader_rejects_only_the_document_with_an_invalid_id(document_format: DocumentFormat) -> None:
    # given a document as the driver decodes it: bytes that are not UTF-8 are lone surrogates
    parse = [{"Text": "Acme rises", "Class": "up", "Entities": []}]
    values = [{"_id": name, "text": "Acme rises", "label": "up", "Parse": parse} for name in ("a\udc80", "b")]
    documents = [Document(id_text(document["_id"]), document) for document in values]

    chunk = ChunkReader(document_format, needs_label=False, needs_entities=False).read(documents)

    assert [row["id"].partition("#")[0] for row in chunk.batch.to_pylist()] == ["b"]
    [line] = chunk.reject_lines
    assert json.loads(line)["id"] == "a\\udc80"
    assert json.loads(line)["reason"] == "id of the document is not valid Unicode: lone surrogate at 1"
