import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from tests.recipes.proposal.documents import people, sentence, speech


def test_find_layout_of_parse_results() -> None:
    documents = [{"_id": row, "source": ("web", "print")[row % 2], "Parse": [sentence(row)]} for row in range(30)]
    layout = find_layout(documents, Choices())
    assert (layout.heads, layout.format.format) == (("sentence", "tokens"), "parse")
    assert layout.format.entity.model_dump(exclude_defaults=True) == {"name": "EntityName", "label": "type"}
    assert (layout.format.fields.id, layout.format.fields.slices) == ("_id", {"source": "source"})


def test_find_layout_reads_what_the_user_names_in_sentences() -> None:
    documents = [speech(row, **people(row)) for row in range(60)]

    labelled = find_layout(documents, Choices(labels="topic", group="author"))
    assert (labelled.heads, labelled.format.parse.labels, labelled.format.label_separator) == (
        ("labels",),
        "topic",
        ",",
    )
    assert labelled.format.fields.group == "author"
    assert labelled.used["sentences[].topic"] == "labels"
    with pytest.raises(
        AssayError, match=r"^--label author: no sentence has this field; fields are text, topic, class$"
    ):
        find_layout(documents, Choices(label="author"))
    with pytest.raises(AssayError, match=r"^--label none_such: no document has this field; fields are doc_id, "):
        find_layout(documents, Choices(label="none_such"))
    with pytest.raises(AssayError, match=r"^--pair topic: sentences of documents have no second text"):
        find_layout(documents, Choices(pair="topic"))


def test_find_layout_takes_one_field_of_labels_in_sentences() -> None:
    flags = [{"text": f"Acme opens plant {row}", "is_sport": row % 2, "is_money": 1} for row in range(60)]
    documents = [{"doc_id": f"d{number}", "sentences": [flag]} for number, flag in enumerate(flags)]
    with pytest.raises(AssayError, match="labels of a sentence stand in one field; name a single one"):
        find_layout(documents, Choices(labels="is_sport,is_money"))


def test_find_layout_refuses_sentences_that_are_no_lists() -> None:
    sentences = Choices(settings={"parse": {"sentences": "doc_id"}})
    with pytest.raises(
        AssayError, match=r"=doc_id: no field of this name holds lists of sentences; fields that do are sentences$"
    ):
        find_layout([speech(row) for row in range(20)], sentences)
    with pytest.raises(AssayError, match=r"=doc_id: no field holds lists of sentences; leave the setting out"):
        find_layout([{"doc_id": f"d{row}"} for row in range(20)], sentences)


def test_find_layout_reads_the_places_of_a_chat_that_the_user_names() -> None:
    chats = [
        {"messages": [{"role": "user", "content": f"play song {row}"}, {"role": "assistant", "content": "play"}]}
        for row in range(60)
    ]
    with pytest.raises(AssayError, match=r"^messages holds chats; name the places of text and class, counted from 0"):
        find_layout(chats, Choices())
    layout = find_layout(chats, Choices(text="messages.0.content", label="messages.1.content"))
    assert (layout.heads, layout.format.format) == (("sentence",), "rows")
    assert (layout.format.fields.text, layout.format.fields.label) == ("messages.0.content", "messages.1.content")
    with pytest.raises(AssayError, match=r"^--label messages.7.content: no document has this field"):
        find_layout(chats, Choices(text="messages.0.content", label="messages.7.content"))
