from typing import Any

import pytest

from assay.corpus.documents.annotators.decisions import TABLE
from assay.corpus.documents.raw_document import Document
from assay.corpus.returned_annotations import by_text, returned_annotations
from assay.corpus.returned_parts import ReadingRules

RULES = ReadingRules(heads=["sentence", "tokens"])


def line(author: str, **cells: Any) -> Document:
    return Document("done.csv:2", {"row_id": "r1", "text": "Acme grew", "author": author, **cells})


def task(*choices: tuple[str, str], text: str = "Acme grew") -> Document:
    """Return a task of Label Studio with the class that each person chose."""
    annotations = [
        {"completed_by": person, "result": [{"type": "choices", "from_name": "c", "value": {"choices": [label]}}]}
        for person, label in choices
    ]
    return Document("tasks.json:1", {"id": 1, "data": {"row_id": "r1", "text": text}, "annotations": annotations})


@pytest.mark.parametrize(
    ("documents", "said", "replaced"),
    [
        ([task(("anna", "good"), ("ben", "bad"))], [("anna", "good"), ("ben", "bad")], 0),
        ([task(("anna", "good")), task(("anna", "bad"))], [("anna", "bad")], 1),
        ([task(("anna", "good")), task(("anna", "good"))], [("anna", "good")], 0),  # the same file twice
        ([task(("anna", "good")), task(("", "bad"))], [("anna", "good"), (None, "bad")], 0),
        ([task()], [], 0),
    ],
)
def test_returned_annotations_are_the_last_of_each_person(documents: Any, said: Any, replaced: int) -> None:
    annotations, count = returned_annotations(documents, "label_studio", RULES)
    assert [(one.person, one.row.label) for one in annotations] == said
    assert count == replaced


def test_returned_annotations_of_a_table_are_all_lines_and_count_those_that_a_person_has_changed() -> None:
    lines = [line("anna", new_label="good"), line("anna", new_entities="[]"), line("ben", new_label="bad"), line("")]
    annotations, replaced = returned_annotations(lines, TABLE, RULES)
    assert ([one.person for one in annotations], replaced) == (["anna", "anna", "ben"], 0)
    assert returned_annotations([*lines, line("anna", new_label="bad")], TABLE, RULES)[1] == 1


def test_by_text_keeps_texts_apart() -> None:
    annotations, _ = returned_annotations(
        [task(("anna", "good")), task(("ben", "bad"), text="Acme fell"), task(("carl", "good"))], "label_studio", RULES
    )
    assert [[one.person for one in group] for group in by_text(annotations)] == [["anna", "carl"], ["ben"]]
