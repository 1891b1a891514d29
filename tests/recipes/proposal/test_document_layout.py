import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.layout_parts import DocumentLayout
from assay.recipes.proposal.questions import NONE, AmbiguousError
from tests.recipes.proposal.documents import TAGS, TOPICS, WORDS, people, sentence, speech, tagged, unclear


def test_find_layout_needs_something_to_learn() -> None:
    documents = [{"text": f"Acme opens plant {row}", "label": ("a", "b")[row % 2]} for row in range(40)]
    with pytest.raises(AssayError, match=r"^there is nothing to learn; name the class \(--label\)"):
        find_layout(documents, Choices(label=NONE))


def test_find_layout_takes_no_field_for_the_text_that_has_another_use() -> None:
    documents = [{"text": f"Acme opens plant {row}", "label": ("a", "b")[row % 2]} for row in range(40)]
    with pytest.raises(AssayError, match=r"^no field holds texts"):
        find_layout(documents, Choices(label="text"))


Row = Callable[[int], dict[str, Any]]


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
    with pytest.raises(AssayError, match=r"^--set source\.parse\.sentences=part: no field of .*; did you mean 'parts'"):
        find_layout(parsed, Choices(settings={"parse": {"sentences": "part"}}))
    unusual = [{"parts": [{"satz": f"Acme opens plant {row}", "tone": "ab"[row % 2]}]} for row in range(30)]
    layout = find_layout(unusual, Choices(text="satz", settings={"format": "parse"}))
    assert (layout.format.parse.text, layout.format.parse.label) == ("satz", "tone")
