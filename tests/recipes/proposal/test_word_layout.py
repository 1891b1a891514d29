from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.questions import NONE, AmbiguousError
from tests.recipes.proposal.documents import TAGS, TOPICS, WORDS, tagged


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


def test_find_layout_refuses_words_that_are_no_lists() -> None:
    words = Choices(settings={"fields": {"tokens": "text"}})
    rows = [{"text": f"Acme opens plant {row}", "label": "ab"[row % 2]} for row in range(20)]
    with pytest.raises(
        AssayError, match=r"^--set source\.fields\.tokens=text: no field holds lists of words; leave the"
    ):
        find_layout(rows, words)
    with pytest.raises(
        AssayError, match=r"=text: no field of this name holds lists of words; fields that do are tokens, tags$"
    ):
        find_layout([tagged(row, text="Acme") for row in range(20)], words)


def test_find_layout_reads_labels_beside_tags() -> None:
    lists = [tagged(row, topics=TOPICS[row % 6].split(",")) for row in range(60)]
    cells = [tagged(row, topic=TOPICS[row % 6]) for row in range(60)]

    listed = find_layout(lists, Choices(labels="topics"))
    assert (listed.heads, listed.format.fields.labels, listed.used["topics"]) == (
        ("labels", "tokens"),
        "topics",
        "labels",
    )
    separated = find_layout(cells, Choices(labels="topic"))
    assert (separated.heads, separated.format.label_separator) == (("labels", "tokens"), ",")
    with pytest.raises(AssayError, match=r"^--labels tags: it holds the tags of the words; add --entities none"):
        find_layout(lists, Choices(labels="tags"))
    assert find_layout(lists, Choices(labels="tags", entities=NONE)).heads == ("labels",)


@pytest.mark.parametrize("option", ["text", "pair"])
def test_find_layout_refuses_another_text_than_the_words(option: str) -> None:
    documents = [tagged(row, summary=f"Acme opens plant {row}") for row in range(20)]
    with pytest.raises(AssayError, match=f"^--{option} summary: the text of these documents is their words in tokens"):
        find_layout(documents, Choices(**{option: "summary"}))  # type: ignore[arg-type]
    assert find_layout(documents, Choices(text="tokens")).heads == ("tokens",)


def test_find_layout_takes_words_without_tags_for_no_tagged_words() -> None:
    documents = [
        {"text": f"Acme opens plant {row}", "tokens": ["Acme"] * (1 + row % 3), "label": "ab"[row % 2]}
        for row in range(40)
    ]
    layout = find_layout(documents, Choices())
    assert (layout.format.format, layout.format.fields.text, layout.heads) == ("rows", "text", ("sentence",))


@pytest.mark.parametrize("columns", [{}, {"Sentence #": "Sentence: {}"}, {"sentence": "EU rejects German call {}"}])
def test_find_layout_tells_what_a_table_of_words_needs(columns: dict[str, str]) -> None:
    words: list[dict[str, Any]] = [
        {**{name: value.format(row) for name, value in columns.items()}, "Word": word, "POS": "NN", "Tag": tag}
        for row in range(10)
        for word, tag in (("EU", "B-org"), ("rejects", "O"))
    ]

    with pytest.raises(AssayError, match="Tag holds tags, so each row is a word: write lists of words and tags"):
        find_layout(words, Choices())
