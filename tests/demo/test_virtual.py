from collections import Counter
from itertools import islice

import pytest

from assay.corpus.documents.document_reader import DocumentReader, Reject
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.example import Example
from demo.virtual import virtual_documents

COUNT = 1500


@pytest.fixture(scope="module")
def read() -> tuple[list[Example], list[Reject], int]:
    """Return rows, rejects, and the number of filtered documents."""
    form = DocumentFormat.model_validate(
        {
            "format": "parse",
            "fields": {"id": "_id", "slices": {"source": "source"}},
            "entity": {"name": "EntityName", "label": "type"},
        }
    )
    reader = DocumentReader(form, needs_label=True, needs_entities=True)
    results = [reader.read(Document("", document)) for document in virtual_documents(COUNT, seed=7)]
    rows = [example for examples, _ in results for example in examples]
    rejects = [reject for _, found in results for reject in found]
    return rows, rejects, sum(result == ([], []) for result in results)


def test_virtual_documents_depend_only_on_the_seed() -> None:
    assert list(virtual_documents(40, seed=3)) == list(islice(virtual_documents(400, seed=3), 40))
    assert list(virtual_documents(40, seed=3)) != list(virtual_documents(40, seed=4))


def test_virtual_documents_have_the_documented_mix(read: tuple[list[Example], list[Reject], int]) -> None:
    rows, rejects, filtered = read

    assert len(rows) > 1.6 * COUNT
    assert set(Counter(row.label for row in rows)) == {"positive", "negative", "neutral"}
    assert {entity.label for row in rows for entity in row.entities or ()} == {"COMPANY", "PERSON", "PLACE"}
    assert 0.1 < sum(row.slices["source"] == "forum" for row in rows) / len(rows) < 0.2
    assert 0.002 < len(rejects) / len(rows) < 0.02
    assert len({reason.partition(":")[0] for _, reason, _ in rejects}) >= 4
    assert 0.02 < filtered / COUNT < 0.06


def test_virtual_documents_have_unique_ids_and_mostly_unique_texts(
    read: tuple[list[Example], list[Reject], int],
) -> None:
    rows, _, _ = read

    assert len({row.id for row in rows}) == len(rows)
    assert 0.9 < len({row.text for row in rows}) / len(rows) < 1
