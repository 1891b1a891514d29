from typing import Any

import pytest

from tests.corpus.documents.reading import (
    as_arrow,
    counts_of,
    entities_of,
    label_sets_of,
    labels_of,
    reject_of,
    set_reject_of,
)

SOURCE: dict[str, Any] = {"format": "prodigy"}
# As `prodigy db-out` of version 1.15 writes an example of ner.manual.
EXAMPLE: dict[str, Any] = {
    "text": "Globex buys land",
    "meta": {"source": "wire"},
    "_input_hash": -1242353912,
    "_task_hash": 847823,
    "tokens": [
        {"text": "Globex", "start": 0, "end": 6, "id": 0, "ws": True},
        {"text": "buys", "start": 7, "end": 11, "id": 1, "ws": True},
        {"text": "land", "start": 12, "end": 16, "id": 2, "ws": False},
    ],
    "_view_id": "ner_manual",
    "spans": [{"start": 0, "end": 6, "token_start": 0, "token_end": 0, "label": "ORG"}],
    "answer": "accept",
    "_timestamp": 1714637491,
    "_annotator_id": "2024-05-02_08-10-02",
    "_session_id": "2024-05-02_08-10-02",
}
CHOICE: dict[str, Any] = {
    "text": "Globex buys land",
    "options": [{"id": "GOOD", "text": "good"}, {"id": "BAD", "text": "bad"}],
    "_view_id": "choice",
    "accept": ["BAD"],
    "config": {"choice_style": "single"},
    "answer": "accept",
}


def test_read_prodigy_reads_accepted_examples_alone() -> None:
    rejected, ignored = {**EXAMPLE, "answer": "reject"}, {**EXAMPLE, "answer": "ignore"}

    assert entities_of(SOURCE, EXAMPLE, rejected, ignored) == [[("Globex", "ORG")]]
    assert counts_of(SOURCE, EXAMPLE, rejected, ignored) == (1, 2, 0)


def test_read_prodigy_reads_a_text_in_which_nothing_is_marked() -> None:
    unmarked = {name: value for name, value in EXAMPLE.items() if name != "spans"}

    assert entities_of(SOURCE, unmarked) == [[]]


def test_read_prodigy_reads_the_chosen_option_or_the_accepted_class() -> None:
    question = {"text": "Globex buys land", "label": "GOOD", "_view_id": "classification", "answer": "accept"}

    assert labels_of(SOURCE, CHOICE, question, {**question, "answer": "reject"}) == ["BAD", "GOOD"]
    assert labels_of({**SOURCE, "fields": {"label": "meta.source"}}, EXAMPLE) == ["wire"]


@pytest.mark.parametrize(
    ("document", "label", "reason"),
    [
        ({**CHOICE, "accept": ["GOOD", "BAD"]}, True, "text has several classes: ['GOOD', 'BAD']"),
        ({**CHOICE, "accept": []}, True, "label is missing"),
        ({**EXAMPLE, "relations": [{"head": 0, "child": 2}]}, False, "relations are not read: 1 of them"),
        ({"text": "Globex"}, False, "answer of Prodigy is none of accept, reject, ignore"),
    ],
)
def test_read_prodigy_rejects_what_a_row_cannot_hold(document: dict[str, Any], label: bool, reason: str) -> None:
    assert reject_of(SOURCE, document, label=label) == reason


def test_read_prodigy_rejects_answers_about_a_single_span() -> None:
    assert reject_of(SOURCE, {**EXAMPLE, "_view_id": "ner"}).startswith("answer is about a single span: [")


def test_read_prodigy_reads_several_chosen_options() -> None:
    several = {**CHOICE, "accept": ["GOOD", "BAD"], "config": {"choice_style": "multiple"}}
    question = {"text": "Globex buys land", "label": "GOOD", "_view_id": "classification", "answer": "accept"}

    assert label_sets_of(SOURCE, several, {**CHOICE, "accept": []}, {**several, "answer": "ignore"}) == [
        ("BAD", "GOOD"),
        (),
    ]
    # An accepted question is about one label, and nobody has asked about the others.
    assert set_reject_of(SOURCE, question) == "answer is about a single label: GOOD"
    assert set_reject_of(SOURCE, EXAMPLE) == "labels is missing"


def test_read_prodigy_reads_documents_of_arrow() -> None:
    question = {"text": "Globex buys land", "label": "GOOD", "_view_id": "classification", "answer": "accept"}
    choice, asked = as_arrow(CHOICE, question)

    assert labels_of(SOURCE, choice, asked) == ["BAD", "GOOD"]
    assert label_sets_of(SOURCE, choice) == [("BAD",)]
    assert set_reject_of(SOURCE, asked) == "answer is about a single label: GOOD"
