from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.example import Entity, Example
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_profile import MAX_VALUES
from assay.recipes.proposal.field_roles import Choices, RowRoles
from assay.recipes.proposal.layout_parts import DocumentLayout
from assay.recipes.proposal.proposed_recipe import Proposal
from assay.recipes.proposal.row_facts import facts_of
from assay.recipes.proposal.sample_table import SHOWN, field_lines, summary_lines
from assay.recipes.proposal.suitable_settings import SampleScores

Lines = list[tuple[str, str, str]]


def a_proposal(**facts: Counter[str]) -> Proposal:
    row = Example("1", "Acme buys land", label="good", entities=(Entity(0, 4, "ORG"),))
    none: dict[str, Any] = {name: Counter() for name in ("splits", "classes", "row_labels", "entity_types")}
    return Proposal(
        name="news",
        source={},
        layout=DocumentLayout(DocumentFormat(), ("sentence",), RowRoles()),
        facts=replace(facts_of([row]), rows=1_234, **{**none, **facts}),
        rows=1_234,
        scores=SampleScores(),
        reject_share=0.0,
        published=False,
    )


def lines_of(documents: list[dict[str, Any]], **choices: Any) -> Lines:
    return list(field_lines(find_layout(documents, Choices(**choices))))


def documents(count: int = 60, **fields: Any) -> list[dict[str, Any]]:
    """Return documents with a text and a class; each further field is a function of the number of its document."""
    return [
        {
            "text": f"Acme opens plant {number}",
            "label": ("good", "bad")[number % 2],
            **{name: value(number) for name, value in fields.items()},
        }
        for number in range(count)
    ]


def test_summary_lines_of_a_whole_source_and_of_a_sample() -> None:
    assert list(summary_lines(a_proposal(), 1_200, whole=True)) == ["all 1,200 documents: 1,234 rows"]
    assert list(summary_lines(a_proposal(), 1_200, whole=False)) == ["a sample of 1,200 documents: 1,234 rows"]


def test_summary_lines_count_splits_classes_labels_and_entity_types() -> None:
    proposal = a_proposal(
        splits=Counter({"test": 200, "train": 1_034}),
        classes=Counter({"good": 1_000, "bad": 234}),
        row_labels=Counter({"tax": 3}),
        entity_types=Counter({"ORG": 12_345}),
    )
    assert list(summary_lines(proposal, 9, whole=True))[1:] == [
        "published splits: train 1,034, test 200",
        "classes: good 1,000, bad 234",
        "labels: tax 3",
        "entity types: ORG 12,345",
    ]


@pytest.mark.parametrize(("more", "end"), [(0, ""), (1, ", and 1 more"), (3, ", and 3 more")])
def test_summary_lines_name_the_most_frequent_classes(more: int, end: str) -> None:
    classes = Counter({f"c{number}": 100 - number for number in range(SHOWN + more)})
    *_, line = summary_lines(a_proposal(classes=classes), 9, whole=True)
    assert line == "classes: c0 100, c1 99, c2 98, c3 97, c4 96" + end


def test_field_lines_say_what_each_field_is_used_as() -> None:
    lines = lines_of(
        documents(
            id=lambda number: f"r{number}",
            doc_id=lambda number: f"d{number // 5}",
            date=lambda number: f"2026-01-{1 + number % 28:02}T10:00:00",
            split=lambda number: ("train", "test")[number % 10 == 0],
            region=lambda number: ("north", "south")[number % 3 == 0],
            note=lambda number: f"n{number}",
        )
    )
    assert lines == [
        ("text", "texts of 19 characters", "text"),
        ("label", "good, bad", "class"),
        ("id", "60 different values", "id"),
        ("doc_id", "12 different values", "group"),
        ("date", "times", "time"),
        ("split", "test, train", "split"),
        ("region", "south, north", "slice"),
        ("note", "60 different values", "-"),
    ]


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (lambda number: number % SHOWN, "0, 1, 2, 3, 4"),
        (lambda number: number % (SHOWN + 1), "6 different numbers"),
        (lambda number: number % 2 == 0, "true or false"),
        (lambda number: {"a": [number, None]}, "lists"),
        (lambda number: [{"a": number}], "lists of objects"),
        (lambda number: ["Acme", "opens"], "lists of words"),
        (lambda number: None if number % 4 else "x", "x, 75% empty"),
        (lambda number: None if number % 4 else number, "15 different numbers, 75% empty"),
        (lambda number: None if number % 4 else ["Acme"], "lists of words, 75% empty"),
        (lambda number: f"quite another text {number:03}", "texts of 22 characters"),
    ],
)
def test_field_lines_say_what_a_field_holds(value: Any, content: str) -> None:
    lines = lines_of(documents(column=value), text="text", label="label", entities="none")
    assert [holds for name, holds, _ in lines if name.startswith("column")] == [content]


@pytest.mark.parametrize(("count", "content"), [(MAX_VALUES - 1, "999 different"), (MAX_VALUES, "1,000+ different")])
def test_field_lines_count_values_up_to_a_limit(count: int, content: str) -> None:
    lines = lines_of(documents(count + (count == MAX_VALUES), code=lambda number: f"x{number}"))
    assert ("code", f"{content} values", "-") in lines


def test_field_lines_say_which_slice_could_be_the_class_of_rows_with_entities() -> None:
    rows = [
        {**document, "entities": [{"start": 0, "end": 4, "label": "ORG"}]}
        for document in documents(tone=lambda number: ("warm", "cold")[number % 2])
    ]
    for row in rows:
        del row["label"]
    assert ("tone", "warm, cold", "slice (--label tone: class)") in lines_of(rows)
    assert ("tone", "warm, cold", "class") in lines_of(rows, label="tone")


def test_field_lines_name_the_fields_of_sentences_behind_those_of_their_documents() -> None:
    lines = lines_of(
        [
            {"_id": number, "Parse": [{"Text": f"Acme opens plant {number}", "sentiment": ("good", "bad")[number % 2]}]}
            for number in range(30)
        ]
    )
    assert lines == [
        ("_id", "30 different numbers", "id"),
        ("Parse", "lists of objects", "sentences"),
        ("Parse[].Text", "", "text"),
        ("Parse[].sentiment", "", "class"),
    ]
