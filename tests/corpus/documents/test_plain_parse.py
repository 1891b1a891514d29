import copy
import json
import random
from typing import Any

import pytest

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.plain_parse import PlainParse
from assay.corpus.documents.raw_document import Document
from demo.virtual import virtual_documents

FORMAT = {
    "format": "parse",
    "fields": {"slices": {"source": "source"}},
    "entity": {"name": "EntityName", "label": "type"},
    "label_map": {"neutral": "none"},
}
ODD: list[Any] = [None, "", " ", "a\0b", "\ud800", 0, 1.5, True, [], ["x"], {}, "x" * 1_000_001, "  Ms Clark "]


def readers(document_format: dict[str, Any]) -> tuple[DocumentReader, DocumentReader]:
    """Return a reader with the fast path and one without it."""
    fast, complete = (
        DocumentReader(DocumentFormat.model_validate(document_format), needs_label=True, needs_entities=True)
        for _ in range(2)
    )
    assert complete._plain is not None
    complete._plain = None
    return fast, complete


@pytest.mark.parametrize("entity", [{}, {"occurrences": "first"}, {"end_inclusive": True}], ids=str)
def test_plain_parse_equals_the_complete_reader(entity: dict[str, Any]) -> None:
    fast, complete = readers({**FORMAT, "entity": {"name": "EntityName", "label": "type", **entity}})
    for values in virtual_documents(1_500, seed=5):
        document = Document(values["_id"], values)
        assert fast.read(document) == complete.read(document)


def test_plain_parse_equals_the_complete_reader_for_odd_values() -> None:
    fast, complete = readers(FORMAT)
    draw = random.Random(3)
    for values in virtual_documents(1_500, seed=6):
        broken = damage(draw, copy.deepcopy(values))
        document = Document("d", broken)
        assert fast.read(document) == complete.read(document), json.dumps(broken, default=repr)[:500]


def test_plain_parse_leaves_entities_that_overlap_to_the_complete_reader() -> None:
    fast, complete = readers(FORMAT)
    offsets = ((0, 4), (2, 6))
    entities = [{"EntityName": "abcdef"[start:end], "type": "X", "start": start, "end": end} for start, end in offsets]
    document = Document("d", {"Parse": [{"Text": "abcdef", "sentiment": "good", "Entities": entities}]})
    _, [(_, reason, _)] = fast.read(document)
    assert reason == "entities overlap: abcd and cdef"
    assert fast.read(document) == complete.read(document)


def test_plain_parse_reads_nearly_every_document() -> None:
    fast, _ = readers(FORMAT)
    assert fast._plain is not None
    documents = [values for values in virtual_documents(1_000, seed=7) if not values["isRepost"]]
    plain = sum(fast._plain.read("d", values, None) is not None for values in documents)
    assert plain > 0.97 * len(documents)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "rows"},
        {"fields": {"group": "source"}},
        {"fields": {"slices": {"year": "at:year"}}},
        {"parse": {"text": "nested.text"}},
        {"entity": {"spans": "places"}},
    ],
    ids=str,
)
def test_plain_parse_does_not_fit_other_formats(change: dict[str, Any]) -> None:
    assert not PlainParse.fits(DocumentFormat.model_validate({**FORMAT, **change}))


def damage(draw: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """Replace any value by an odd one, or remove a field."""
    fields: list[tuple[Any, Any]] = [(document, key) for key in document]
    for sentence in document["Parse"] if isinstance(document["Parse"], list) else []:
        if isinstance(sentence, dict):
            fields += [(sentence, key) for key in sentence]
            for entity in sentence.get("Entities") or []:
                fields += [(entity, key) for key in (*entity, "start", "end", "source")]
    holder, key = draw.choice(fields)
    if draw.random() < 0.2:
        holder.pop(key, None)
    else:
        holder[key] = draw.choice(ODD)
    return document


@pytest.mark.parametrize(
    ("text", "entities", "found"),
    [
        # a name inside a longer one, and inside a word
        ("New York, York, Yorkshire", [("New York", "LOC"), ("York", "ORG")], ["New York", "York"]),
        # offsets win over the names that they cover
        ("Acme and Acme", [("Acme", "ORG"), ("Acme and", "LOC", 0, 8)], ["Acme and", "Acme"]),
        ("Acmes Acme", [("Acme", "ORG")], ["Acme"]),
    ],
)
def test_plain_parse_locates_names_as_the_complete_reader(
    text: str, entities: list[tuple[Any, ...]], found: list[str]
) -> None:
    fast, complete = readers(FORMAT)
    items = [dict(zip(("EntityName", "type", "start", "end"), one, strict=False)) for one in entities]
    document = Document("d", {"Parse": [{"Text": text, "sentiment": "good", "Entities": items}]})
    ([row], rejects) = fast.read(document)
    assert fast._plain is not None
    assert fast._plain.read("d", document.values, None) == [row]
    assert ([row], rejects) == complete.read(document)
    assert [text[entity.start : entity.end] for entity in row.entities or ()] == found


def test_plain_parse_leaves_offsets_of_white_space_to_the_complete_reader() -> None:
    fast, complete = readers(FORMAT)
    entity = {"EntityName": " ", "type": "ORG", "start": 4, "end": 5}
    document = Document("d", {"Parse": [{"Text": "Acme grew", "sentiment": "good", "Entities": [entity]}]})
    assert fast._plain is not None
    assert fast._plain.read("d", document.values, None) is None
    assert fast.read(document) == complete.read(document)
    assert fast.read(document)[0] == []
