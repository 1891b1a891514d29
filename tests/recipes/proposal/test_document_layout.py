import re
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.questions import NONE, AmbiguousError

WORDS = ["Acme", "opens", "in", "New", "York"]
TAGS = ["B-ORG", "O", "O", "B-LOC", "I-LOC"]


def test_find_layout_of_tagged_words() -> None:
    documents = [{"id": row, "words": WORDS, "ner_tags": TAGS, "pos_tags": WORDS} for row in range(20)]
    layout = find_layout(documents, Choices())
    assert layout.heads == ("tokens",)
    assert layout.format.format == "tokens"
    assert (layout.format.fields.tokens, layout.format.fields.tags, layout.format.fields.id) == (
        "words",
        "ner_tags",
        "id",
    )


def test_find_layout_of_words_with_a_class() -> None:
    documents = [{"tokens": WORDS, "tags": TAGS, "intent": ("buy", "sell")[row % 2]} for row in range(20)]
    layout = find_layout(documents, Choices())
    assert layout.heads == ("sentence", "tokens")
    assert layout.format.fields.label == "intent"
    assert find_layout(documents, Choices(entities=NONE)).heads == ("sentence",)


def test_find_layout_asks_which_tags() -> None:
    documents = [{"tokens": WORDS, "chunks": TAGS, "types": TAGS} for _ in range(20)]
    with pytest.raises(AmbiguousError, match="--entities chunks or types"):
        find_layout(documents, Choices())
    assert find_layout(documents, Choices(entities="types")).format.fields.tags == "types"


def sentence(row: int) -> dict[str, Any]:
    return {
        "Text": f"Acme opens plant {row} in Ulm",
        "sentiment": ("good", "bad")[row % 2],
        "Entities": [{"EntityName": "Acme", "type": "ORG"}],
    }


def test_find_layout_of_parse_results() -> None:
    documents = [{"_id": row, "source": ("web", "print")[row % 2], "Parse": [sentence(row)]} for row in range(30)]
    layout = find_layout(documents, Choices())
    assert (layout.heads, layout.format.format) == (("sentence", "tokens"), "parse")
    assert layout.format.entity.model_dump(exclude_defaults=True) == {"name": "EntityName", "label": "type"}
    assert (layout.format.fields.id, layout.format.fields.slices) == ("_id", {"source": "source"})


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


def test_find_layout_needs_something_to_learn() -> None:
    documents = [{"text": f"Acme opens plant {row}", "label": ("a", "b")[row % 2]} for row in range(40)]
    with pytest.raises(AssayError, match=r"^there is nothing to learn; name the class \(--label\)"):
        find_layout(documents, Choices(label=NONE))


def test_find_layout_takes_no_field_for_the_text_that_has_another_use() -> None:
    documents = [{"text": f"Acme opens plant {row}", "label": ("a", "b")[row % 2]} for row in range(40)]
    with pytest.raises(AssayError, match=r"^no field holds texts"):
        find_layout(documents, Choices(label="text"))


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


def test_find_layout_tells_what_a_table_of_words_needs() -> None:
    words = [{"Word": word, "POS": "NN", "Tag": tag} for word, tag in (("EU", "B-org"), ("rejects", "O")) * 10]

    with pytest.raises(AssayError, match="Tag holds tags, so each row is a word: write lists of words and tags"):
        find_layout(words, Choices())


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
