import json
from typing import Any

import bson
import pyarrow as pa
import pytest

from assay.corpus.documents.chunk import ChunkReader, DocumentChunk
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.corpus.sources import parallel_reader as readers
from assay.corpus.sources.mongo import decode, id_text
from assay.corpus.sources.parallel_reader import read_chunks
from demo.virtual import virtual_documents

FORM = DocumentFormat.model_validate(
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


def whole(chunks: list[DocumentChunk]) -> tuple[pa.Table, list[str], dict[str, int]]:
    counts = sum((chunk.counts for chunk in chunks[1:]), chunks[0].counts)
    lines = [line for chunk in chunks for line in chunk.reject_lines]
    return pa.Table.from_batches([chunk.batch for chunk in chunks]), lines, counts.model_dump()


def test_helpers_give_what_one_process_gives_in_the_same_order(batches: list[bytes]) -> None:
    alone = ChunkReader(FORM, **NEEDS)
    expected = whole([alone.read(decode(batch)) for batch in batches])
    found = whole(list(read_chunks(batches, FORM, **NEEDS, helpers=2)))
    assert found[0].equals(expected[0])
    assert found[1:] == expected[1:]
    assert expected[2]["documents"] == 1_200
    assert expected[1]


def test_few_batches_start_no_helper(batches: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(readers, "_Helper")
    few = batches[: readers.BATCHES_ALONE]
    assert len(list(read_chunks(few, FORM, **NEEDS, helpers=2))) == len(few)


def test_a_helper_that_dies_is_an_error_of_one_line(batches: list[bytes]) -> None:
    broken = [*batches[: readers.BATCHES_ALONE], b"\x05\0\0\0\0\xff not BSON"]
    with pytest.raises(AssayError, match="a process that reads documents ended with code 1; free memory"):
        list(read_chunks(broken, FORM, **NEEDS, helpers=2))


@pytest.mark.parametrize("document_format", [FORM, DocumentFormat.model_validate({"fields": {"label": "label"}})])
def test_an_id_that_is_no_unicode_costs_its_document_only(document_format: DocumentFormat) -> None:
    # given a document as the driver hands it on: bytes that are not UTF-8 are lone surrogates
    parse = [{"Text": "Acme rises", "Class": "up", "Entities": []}]
    values = [{"_id": name, "text": "Acme rises", "label": "up", "Parse": parse} for name in ("a\udc80", "b")]
    documents = [Document(id_text(one["_id"]), one) for one in values]

    chunk = ChunkReader(document_format, needs_label=False, needs_entities=False).read(documents)

    assert [row["id"].partition("#")[0] for row in chunk.batch.to_pylist()] == ["b"]
    [line] = chunk.reject_lines
    assert json.loads(line)["id"] == "a\\udc80"
    assert json.loads(line)["reason"] == "id of the document is not valid Unicode: lone surrogate at 1"
