"""A source whose documents do not suit the recipe is explained by one cause."""

from typing import Any

import pytest

from assay.corpus.documents.document_diagnosis import diagnose, field_names
from assay.corpus.documents.fields import DocumentFormat

NEWS = [
    {"id": f"n{number}", "content": f"A long text about {number}", "mood": ["good", "bad"][number % 2], "ents": [{}]}
    for number in range(10)
]
TAGGED = [{"words": ["Acme", "opens"], "tags": ["B-ORG", "O"]}] * 3
FIELDS = "; their fields: id, content, mood, ents"


def said(documents: list[dict[str, Any]], **values: Any) -> str | None:
    return diagnose(DocumentFormat.model_validate(values), documents, needs_label=True, needs_entities=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"label": "mood"},
            "source.fields.text is 'text', which none of the first 10 documents has; the longest texts are in "
            f"'content', set it if that is meant{FIELDS}",
        ),
        (
            {"text": "contents"},
            "source.fields.text is 'contents', which none of the first 10 documents has; did you mean 'content'?"
            f"{FIELDS}",
        ),
        (
            {"text": "content", "label": "klass"},
            "source.fields.label is 'klass', which none of the first 10 documents has; few values that repeat are in "
            f"'mood', set it if that is meant{FIELDS}",
        ),
        (
            {"text": "content", "label": "mood", "entities": "spans"},
            "source.fields.entities is 'spans', which none of the first 10 documents has; a list is in 'ents', set it "
            f"if that is meant{FIELDS}",
        ),
        (
            {"text": "content", "label": "mood", "group": "Ids"},
            f"source.fields.group is 'Ids', which none of the first 10 documents has; did you mean 'id'?{FIELDS}",
        ),
        (
            {"text": "content", "label": "mood", "slices": {"at": "when:year"}},
            f"source.fields.slices.at is 'when', which none of the first 10 documents has; correct it{FIELDS}",
        ),
    ],
)
def test_diagnose_names_a_missing_field_the_nearest_and_all_that_exist(fields: dict[str, Any], message: str) -> None:
    assert said(NEWS, fields=fields) == message


def test_diagnose_says_how_many_items_a_list_has() -> None:
    documents = [{"text": "a text", "choices": [{"name": "good"}], "ents": []}] * 2

    assert said(documents, fields={"label": "choices.1.name", "entities": "ents"}) == (
        "source.fields.label is 'choices.1.name', which none of the first 2 documents has: 'choices' is a list of 1 "
        "item, counted from 0; did you mean 'choices.0.name'?; their fields: text, choices, ents"
    )


def test_diagnose_looks_at_the_columns_of_a_tool() -> None:
    tasks = [{"data": {"text": "a"}, "annotations": [{"id": 1, "completed_by": 2, "result": []}]}] * 2

    line = said(tasks, format="label_studio", fields={"group": "annotations.1.completed_by"})

    assert line is not None
    assert line.startswith("source.fields.group is 'annotations.1.completed_by', which none of the first 2 documents")
    assert "did you mean 'annotations.0.completed_by'?" in line
    assert said(tasks, format="label_studio", fields={"group": "annotations.0.completed_by"}) is None


@pytest.mark.parametrize(
    ("form", "document", "message"),
    [
        (
            "rows",
            {"tokens": ["a"], "tags": ["O"]},
            "source.format is rows, which reads 'text', but the documents hold the list of words 'tokens' instead; set "
            "source.format: tokens",
        ),
        (
            "rows",
            {"Parse": [{"Text": "a"}]},
            "source.format is rows, which reads 'text', but the documents hold the list of sentences 'Parse' instead; "
            "set source.format: parse",
        ),
        (
            "tokens",
            {"text": "a"},
            "source.format is tokens, which reads 'tokens', but the documents hold the text 'text' instead; set "
            "source.format: rows",
        ),
    ],
)
def test_diagnose_names_the_format_that_the_documents_have(form: str, document: dict[str, Any], message: str) -> None:
    assert said([document], format=form) == message


def test_diagnose_names_the_list_of_words() -> None:
    assert said(TAGGED, format="tokens") == (
        "source.fields.tokens is 'tokens', which none of the first 3 documents has; a list is in 'words', set it if "
        "that is meant; their fields: words, tags"
    )


def test_diagnose_is_none_where_every_field_exists_or_nothing_was_read() -> None:
    assert said(NEWS, fields={"text": "content", "label": "mood", "entities": "ents", "id": "id"}) is None
    assert said([]) is None


def test_field_names_are_dotted_inside_objects() -> None:
    assert field_names([{"data": {"text": "a", "meta": {"by": "b"}}, "id": 1}, {"more": {}}]) == [
        "data.text",
        "data.meta.by",
        "id",
        "more",
    ]


@pytest.mark.parametrize(
    ("source", "needs", "document", "start"),
    [
        (
            {"fields": {"text_pair": "answer"}},
            {},
            {"text": "Is it?"},
            "source.fields.text_pair is 'answer', which the document does not have; correct it; their fields: text",
        ),
        (
            {"format": "tokens"},
            {"needs_entities": True},
            {"tokens": ["a"], "ner": ["O"]},
            "source.fields.tags is 'tags', which the document does not have; a list is in 'tokens'",
        ),
        (
            {"fields": {"labels": "topics"}},
            {"needs_labels": True},
            {"text": "a", "themes": ["money"]},
            "source.fields.labels is 'topics', which the document does not have; a list is in 'themes'",
        ),
        (
            {"fields": {"labels": ["is_money", "is_sport"]}},
            {"needs_labels": True},
            {"text": "a", "is_money": 1},
            "source.fields.labels is 'is_sport', which the document does not have",
        ),
        (
            {"fields": {"label": "class"}},
            {"needs_label": True},
            {"text": "a", "scores": [0.5]},
            "source.fields.label is 'class', which the document does not have; correct it; their fields: text, scores",
        ),
    ],
)
def test_diagnose_asks_for_what_the_heads_need(
    source: dict[str, Any], needs: dict[str, bool], document: dict[str, Any], start: str
) -> None:
    settings = {"needs_label": False, "needs_entities": False, **needs}
    line = diagnose(DocumentFormat.model_validate(source), [document], **settings)
    assert line is not None
    assert line.startswith(start)


@pytest.mark.parametrize(
    ("source", "document"),
    [
        ({"format": "tokens", "fields": {"label": "class"}}, {"tokens": ["a"]}),
        # the labels and classes of sentences are inside the documents
        ({"format": "parse", "fields": {"id": None}, "parse": {"labels": "topics"}}, {"Parse": [{"Text": "a"}]}),
        # the file of a row is a slice that no field holds
        ({"fields": {"slices": {"file": "$part"}}}, {"text": "a", "labels": ["money"]}),
    ],
)
def test_diagnose_asks_for_nothing_else(source: dict[str, Any], document: dict[str, Any]) -> None:
    form = DocumentFormat.model_validate(source)
    needs = {"needs_labels": form.format == "parse"}
    assert diagnose(form, [document], needs_label=False, needs_entities=False, **needs) is None


def test_diagnose_finds_a_table_whose_first_line_is_a_row() -> None:
    rows = [{"good": ("good", "bad")[row % 2], "A fine radio": f"A fine radio {row}"} for row in range(10)]
    form, needs = DocumentFormat(), {"needs_label": False, "needs_entities": False}
    assert "the longest texts are in 'A fine radio'" in str(diagnose(form, rows, **needs))  # JSON lines
    assert diagnose(form, rows, **needs, line_of_names=True) == (
        "source.fields.text is 'text', which none of the first 10 documents has; the first line of the table seems to "
        "be a row: name its columns by their numbers in source.file.columns, such as {text: 2, label: 1}; their "
        "fields: good, A fine radio"
    )


def test_diagnose_finds_words_in_cells_of_a_table() -> None:
    rows = [{"tokens": "['Acme', 'opens']", "tags": "['B-ORG', 'O']"}] * 3
    line = said(rows, fields={"label": "mood", "entities": "entities"})
    assert "the documents hold the list of words 'tokens' instead; set source.format: tokens" in str(line)
