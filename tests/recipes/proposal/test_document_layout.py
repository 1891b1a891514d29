import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import DocumentLayout, find_layout
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


Row = Callable[[int], dict[str, Any]]
TOPICS = ("a,b", "b", "a", "b,c", "c,a", "c")


def speech(row: int, **columns: Any) -> dict[str, Any]:
    """Return a document of two sentences."""
    parts = [{"text": f"Acme opens plant {row}", "topic": TOPICS[row % 6], "class": ("x", "y")[row % 2]}] * 2
    return {"doc_id": f"d{row}", "sentences": parts, **columns}


def people(row: int) -> dict[str, Any]:
    return {"author": f"a{row % 15}", "user_id": f"u{row % 20}"}


def unclear(row: int) -> dict[str, Any]:
    return {"split": ("train", "extra")[row % 2]}


def tagged(row: int, **columns: Any) -> dict[str, Any]:
    return {"tokens": WORDS, "tags": TAGS, **columns}


def settled(documents: list[dict[str, Any]], choices: Choices) -> list[DocumentLayout]:
    """Return the layout for each way to answer the questions about a sample, as they say that one can."""
    try:
        return [find_layout(documents, choices)]
    except AmbiguousError as error:
        options = str(error).rpartition("Add ")[2] if "Add --" in str(error) else str(error).rpartition("add ")[2]
        words = [word.strip(",") for word in shlex.split(options.partition(", so that")[0])]
    found, option = [], ""
    for word in words:
        if word.startswith("--"):
            option = word.removeprefix("--")
        elif word != "or":
            assert getattr(choices, option) is None, f"--{option} is asked again"
            found += settled(documents, replace(choices, **{option: word}))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        (lambda row: speech(row), 2),
        (lambda row: speech(row, **people(row)), 6),
        (lambda row: speech(row, **unclear(row)), 2),
        (lambda row: tagged(row, topic=TOPICS[row % 6]), 2),
        (lambda row: tagged(row, topic=TOPICS[row % 6], **people(row), **unclear(row)), 6),
        (lambda row: {"text": f"Acme opens {row}", "topic": TOPICS[row % 6], "tone": "xy"[row % 2], **people(row)}, 6),
    ],
)
def test_find_layout_takes_each_answer_to_its_questions(row: Row, answers: int) -> None:
    layouts = settled([row(number) for number in range(60)], Choices())
    assert len(layouts) == answers
    assert all(layout.heads for layout in layouts)


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


def test_find_layout_refuses_rules_of_a_tool_for_lists_that_only_look_like_one() -> None:
    documents = [
        {"text": f"Acme opens plant {row}", "labels": [["money", "sport"], ["sport"]][row % 2]} for row in range(20)
    ]
    with pytest.raises(AssayError, match=r"^--set source\.annotations: these are no documents of an annotation tool"):
        find_layout(documents, Choices(settings={"annotations": {"relations": "ignore"}}))


def test_find_layout_takes_the_second_text_for_nothing_else() -> None:
    documents = [
        {"text": f"Acme opens plant {row}", "reply": f"That is plant {row}", "label": "ab"[row % 2]}
        for row in range(20)
    ]
    layout = find_layout(documents, Choices(pair="text"))
    assert (layout.format.fields.text, layout.format.fields.text_pair) == ("reply", "text")


def test_find_layout_names_the_rows_without_a_class() -> None:
    documents = [{"text": f"Acme opens plant {row}", "label": ("a", "b", "")[row % 3]} for row in range(60)]
    assert find_layout(documents, Choices(label="label")).format.no_label == [""]
    assert find_layout(documents, Choices(label="label", settings={"no_label": ["a"]})).format.no_label == ["a"]


def test_find_layout_takes_words_without_tags_for_no_tagged_words() -> None:
    documents = [
        {"text": f"Acme opens plant {row}", "tokens": ["Acme"] * (1 + row % 3), "label": "ab"[row % 2]}
        for row in range(40)
    ]
    layout = find_layout(documents, Choices())
    assert (layout.format.format, layout.format.fields.text, layout.heads) == ("rows", "text", ("sentence",))


def test_find_layout_asks_which_entities() -> None:
    spans = [{"start": 0, "end": 4, "label": "ORG"}]
    documents = [{"text": f"Acme opens plant {row}", "spans": spans, "people": spans} for row in range(20)]
    with pytest.raises(AmbiguousError, match="--entities spans or people"):
        find_layout(documents, Choices())
    assert find_layout(documents, Choices(entities="people")).format.fields.entities == "people"


def test_find_layout_takes_one_field_of_labels_in_sentences() -> None:
    flags = [{"text": f"Acme opens plant {row}", "is_sport": row % 2, "is_money": 1} for row in range(60)]
    documents = [{"doc_id": f"d{number}", "sentences": [flag]} for number, flag in enumerate(flags)]
    with pytest.raises(AssayError, match="labels of a sentence stand in one field; name a single one"):
        find_layout(documents, Choices(labels="is_sport,is_money"))


def test_find_layout_reads_the_format_that_the_user_sets() -> None:
    choice = {"type": "choices", "from_name": "x", "value": {"choices": [{"a": 1}]}}
    tasks = [
        {
            "id": row,
            "data": {"text": f"Acme opens plant {row}", "tone": "ab"[row % 2]},
            "annotations": [{"result": [choice]}],
        }
        for row in range(30)
    ]
    with pytest.raises(AssayError, match=r"choice is not a name.*source\.format: rows"):
        find_layout(tasks, Choices())
    layout = find_layout(tasks, Choices(settings={"format": "rows"}))
    assert (layout.format.format, layout.format.fields.text, layout.format.fields.label) == (
        "rows",
        "data.text",
        "data.tone",
    )
    for form in ("tokens", "parse"):
        with pytest.raises(AssayError, match=f"^--set source.format={form}: no field holds .*, or leave it out$"):
            find_layout(tasks, Choices(settings={"format": form}))


def test_find_layout_takes_words_and_sentences_that_the_user_names() -> None:
    tagged = [{"w": WORDS, "t": TAGS} for _ in range(20)]
    fields = find_layout(tagged, Choices(settings={"fields": {"tokens": "w"}})).format.fields
    assert (fields.tokens, fields.tags) == ("w", "t")
    parsed = [{"title": f"A long title of document {row}", "parts": [sentence(row)]} for row in range(30)]
    layout = find_layout(parsed, Choices(settings={"parse": {"sentences": "parts"}}))
    assert (layout.format.format, layout.format.parse.sentences, layout.heads) == (
        "parse",
        "parts",
        ("sentence", "tokens"),
    )
    with pytest.raises(AssayError, match=r"^--set source\.parse\.sentences=part: no list .*; did you mean 'parts'"):
        find_layout(parsed, Choices(settings={"parse": {"sentences": "part"}}))
    unusual = [{"parts": [{"satz": f"Acme opens plant {row}", "tone": "ab"[row % 2]}]} for row in range(30)]
    layout = find_layout(unusual, Choices(text="satz", settings={"format": "parse"}))
    assert (layout.format.parse.text, layout.format.parse.label) == ("satz", "tone")
