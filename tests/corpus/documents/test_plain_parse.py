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

FORM = {
    "format": "parse",
    "fields": {"slices": {"source": "source"}},
    "entity": {"name": "EntityName", "label": "type"},
    "label_map": {"neutral": "none"},
}
ODD: list[Any] = [None, "", " ", "a\0b", "\ud800", 0, 1.5, True, [], ["x"], {}, "x" * 1_000_001, "  Ms Clark "]


def readers(form: dict[str, Any]) -> tuple[DocumentReader, DocumentReader]:
    """One that takes the quick way where it can, and one that never does."""
    both = [
        DocumentReader(DocumentFormat.model_validate(form), needs_label=True, needs_entities=True) for _ in range(2)
    ]
    assert both[1]._plain is not None
    both[1]._plain = None
    return both[0], both[1]


@pytest.mark.parametrize("entity", [{}, {"occurrences": "first"}, {"end_inclusive": True}], ids=str)
def test_both_ways_read_the_same(entity: dict[str, Any]) -> None:
    quick, thorough = readers({**FORM, "entity": {"name": "EntityName", "label": "type", **entity}})
    for values in virtual_documents(1_500, seed=5):
        document = Document(values["_id"], values)
        assert quick.read(document) == thorough.read(document)


def test_both_ways_read_the_same_where_one_value_is_odd() -> None:
    quick, thorough = readers(FORM)
    draw = random.Random(3)
    for values in virtual_documents(1_500, seed=6):
        broken = damage(draw, copy.deepcopy(values))
        document = Document("d", broken)
        assert quick.read(document) == thorough.read(document), json.dumps(broken, default=repr)[:500]


def test_nearly_every_document_is_plain() -> None:
    quick, _ = readers(FORM)
    assert quick._plain is not None
    documents = [values for values in virtual_documents(1_000, seed=7) if not values["isRepost"]]
    plain = sum(quick._plain.read("d", values, None) is not None for values in documents)
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
def test_other_forms_are_left_to_the_thorough_reader(change: dict[str, Any]) -> None:
    assert not PlainParse.fits(DocumentFormat.model_validate({**FORM, **change}))


def damage(draw: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """Put an odd value anywhere, or take a field away."""
    places: list[tuple[Any, Any]] = [(document, key) for key in document]
    for sentence in document["Parse"] if isinstance(document["Parse"], list) else []:
        if isinstance(sentence, dict):
            places += [(sentence, key) for key in sentence]
            for entity in sentence.get("Entities") or []:
                places += [(entity, key) for key in (*entity, "start", "end", "source")]
    holder, key = draw.choice(places)
    if draw.random() < 0.2:
        holder.pop(key, None)
    else:
        holder[key] = draw.choice(ODD)
    return document
