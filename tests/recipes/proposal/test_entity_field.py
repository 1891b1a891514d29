import re

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.questions import AmbiguousError


def test_find_layout_of_rows_with_entities() -> None:
    documents = [
        {"text": f"Acme opens plant {row}", "spans": [{"start": 0, "end": 4, "label": "ORG"}]} for row in range(20)
    ]
    layout = find_layout(documents, Choices())
    assert (layout.heads, layout.format.fields.entities) == (("tokens",), "spans")


def test_find_layout_refuses_entities_that_are_none() -> None:
    documents = [{"text": f"Acme opens plant {row}", "label": ("a", "b")[row % 2], "n": [1]} for row in range(20)]
    with pytest.raises(AssayError, match=r"^--entities n: its values are not lists of objects with offsets"):
        find_layout(documents, Choices(entities="n"))


def test_find_layout_tells_why_objects_are_no_entities() -> None:
    wrong = {"start": 40, "end": 44, "label": "ORG", "text": "Acme"}
    documents = [{"text": f"Acme opens plant {number}", "entities": [wrong]} for number in range(20)]

    with pytest.raises(AssayError) as error:
        find_layout(documents, Choices())

    assert str(error.value).endswith(
        "; entities holds objects that cannot be read as entities: entity lies outside the text: 40:44 in 18 "
        "characters; "
        "count offsets in characters with the end exclusive, or set source.entity.end_inclusive: true or offset_unit"
    )


def test_find_layout_names_the_remedy_for_training_documents_of_spacy_2() -> None:
    sentence = {"tokens": [{"id": 0, "orth": "Acme", "ner": "U-ORG"}], "brackets": []}
    documents = [{"id": number, "paragraphs": [{"raw": "Acme", "sentences": [sentence]}]} for number in range(20)]

    with pytest.raises(AssayError, match="these are training documents of spaCy 2; convert them"):
        find_layout(documents, Choices())


def test_find_layout_tells_which_lists_are_no_entities() -> None:
    documents = [{"text": f"Acme opens plant {number}", "entities": [[0, 4, "ORG", "Q1"]]} for number in range(20)]

    message = (
        "; entities holds lists other than [start, end, label], such as [[0, 4, 'ORG', 'Q1']]: write those, or objects"
    )
    with pytest.raises(AssayError, match=re.escape(message)):
        find_layout(documents, Choices())


def test_find_layout_asks_which_entities() -> None:
    spans = [{"start": 0, "end": 4, "label": "ORG"}]
    documents = [{"text": f"Acme opens plant {row}", "spans": spans, "people": spans} for row in range(20)]
    with pytest.raises(AmbiguousError, match="--entities spans or people"):
        find_layout(documents, Choices())
    assert find_layout(documents, Choices(entities="people")).format.fields.entities == "people"
