from typing import Any

import numpy as np
import pytest

from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.layout_parts import Documents
from assay.recipes.proposal.written_cells import are_tags, with_lists, with_objects
from tests.recipes.proposal.documents import TAGS, WORDS

SPACED = {"sentence": " ".join(WORDS), "labels": " ".join(TAGS)}


def test_with_lists_reads_columns_that_hold_lists() -> None:
    rows = [{"id": str(row), "tokens": str(WORDS), "tags": str(np.array(TAGS)), "n": row} for row in range(20)]
    assert with_lists(rows) == [{"id": str(row), "tokens": WORDS, "tags": TAGS, "n": row} for row in range(20)]


@pytest.mark.parametrize("cells", [["[sic] a", "[b]"], ["a", "['b']"], ["", " "], [None, None]])
def test_with_lists_leaves_other_columns_alone(cells: list[Any]) -> None:
    documents = [{"text": cell} for cell in cells]
    assert with_lists(documents) == documents


def test_with_lists_keeps_the_few_cells_that_hold_no_list() -> None:
    cells = ["['a']"] * 18 + ["['a'", ""]
    assert [document["x"] for document in with_lists([{"x": cell} for cell in cells])] == [["a"]] * 18 + ["['a'", ""]


def test_with_lists_divides_words_only_beside_tags() -> None:
    rows = [{**SPACED, "title": f"Plant {row}", "intent": "open"} for row in range(20)]

    assert with_lists(rows) == [{**row, "sentence": WORDS, "labels": TAGS} for row in rows]
    assert with_lists([{**row, "labels": "B-ORG O"} for row in rows])[0]["sentence"] == SPACED["sentence"]
    assert with_lists([{"sentence": row["sentence"]} for row in rows]) == [{"sentence": SPACED["sentence"]}] * 20


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([["O", "B-ORG"], ["O"]], True),
        ([["O", "O"]], False),  # no tag names a type
        ([["B-ORG"], ["O"]], False),  # single words may be classes
        ([["O", "B-ORG"], ["a", "b"]], False),
        ([[], None], False),
        ([[0, 1]], False),
    ],
)
def test_are_tags(cells: list[Any], expected: bool) -> None:
    assert are_tags(cells) is expected


def layout_of(documents: Documents) -> dict[str, Any]:
    layout = find_layout(documents, Choices())
    return {"heads": layout.heads, **layout.format.model_dump(exclude_defaults=True)}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"tokens": str(WORDS), "ner_tags": str(TAGS)},
            {"heads": ("tokens",), "format": "tokens", "fields": {"tags": "ner_tags"}},
        ),
        (SPACED, {"heads": ("tokens",), "format": "tokens", "fields": {"tokens": "sentence", "tags": "labels"}}),
        (
            {"text": "Acme opens in Ulm", "entities": "[(0, 4, 'ORG')]"},
            {"heads": ("tokens",), "fields": {"entities": "entities"}},
        ),
        (
            {"text": "Acme opens in Ulm", "ents": "[{'begin': 0, 'end': 4, 'type': 'ORG'}]"},
            {"heads": ("tokens",), "fields": {"entities": "ents"}, "entity": {"start": "begin", "label": "type"}},
        ),
        ({"text": "Acme opens in Ulm", "topics": "['a', 'b']"}, {"heads": ("labels",), "fields": {"labels": "topics"}}),
    ],
)
def test_find_layout_takes_lists_in_cells_for_lists(row: dict[str, str], expected: dict[str, Any]) -> None:
    assert layout_of([row] * 20) == expected


def test_find_layout_takes_a_list_of_one_for_the_class() -> None:
    rows = [{"text": f"Acme opens plant {row}", "topic": ("['a']", "['b']")[row % 2]} for row in range(20)]
    assert layout_of(rows) == {"heads": ("sentence",), "fields": {"label": "topic"}}


def test_find_layout_takes_objects_of_lists_for_entities() -> None:
    documents = [
        {"text": f"Acme opens plant {row}", "spans": {"start": [0], "end": [4], "label": ["ORG"], "score": [0.5]}}
        for row in range(20)
    ]
    documents.append({"text": "Nobody came", "spans": {"start": [], "end": [], "label": [], "score": []}})

    layout = find_layout(documents, Choices())

    assert (layout.format.fields.entities, layout.heads) == ("spans", ("tokens",))


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["Acme"], "answer_start": [0]},
        {"start": [0, 5], "end": [4], "label": ["ORG"]},
        {"start": 0, "end": 4, "label": "ORG"},
        {},
    ],
)
def test_with_objects_leaves_other_objects_as_they_are(answers: dict[str, Any]) -> None:
    documents = [{"text": "Acme", "answers": answers}]

    assert with_objects(documents) == documents
