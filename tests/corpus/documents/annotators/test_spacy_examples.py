from typing import Any

import pytest

from tests.corpus.documents.reading import as_arrow, entities_of, label_sets_of, labels_of, reject_of, set_reject_of

SOURCE: dict[str, Any] = {"format": "spacy"}
TEXT = "Globex buys land in Rome"
TRIPLES = [[0, 6, "ORG"], [20, 24, "LOC"]]
# As `Doc.to_json()` of spaCy 3.7 writes a document.
DOC: dict[str, Any] = {
    "text": TEXT,
    "ents": [{"start": 0, "end": 6, "label": "ORG"}, {"start": 20, "end": 24, "label": "LOC"}],
    "cats": {"good": 1.0, "bad": 0.0},
    "tokens": [{"id": 0, "start": 0, "end": 6}],
}


@pytest.mark.parametrize(
    "document", [{"text": TEXT, "entities": TRIPLES}, {"text": TEXT, "annotations": {"entities": TRIPLES}}, DOC]
)
def test_read_spacy_reads_entities(document: dict[str, Any]) -> None:
    assert entities_of(SOURCE, document) == [[("Globex", "ORG"), ("Rome", "LOC")]]


def test_read_spacy_reads_the_class_with_a_high_score() -> None:
    assert labels_of(SOURCE, DOC, {**DOC, "cats": {"good": False, "bad": True}}) == ["good", "bad"]
    assert labels_of({**SOURCE, "fields": {"label": "kind"}}, {**DOC, "kind": "x"}) == ["x"]


def test_read_spacy_reads_spans_by_name() -> None:
    document = {"text": TEXT, "spans": {"sc": [{"start": 7, "end": 11, "label": "VERB"}]}}

    assert entities_of({**SOURCE, "fields": {"entities": "spans.sc"}}, document) == [[("buys", "VERB")]]


@pytest.mark.parametrize(
    ("cats", "reason"),
    [
        ({"good": 1.0, "bad": 1.0}, "text has several classes: ['good', 'bad']"),
        ({"good": 0.0, "bad": 0.0}, "label is missing"),
    ],
)
def test_read_spacy_rejects_several_classes_and_none(cats: dict[str, float], reason: str) -> None:
    assert reject_of(SOURCE, {**DOC, "cats": cats}, label=True) == reason


def test_read_spacy_reads_the_classes_with_a_high_score() -> None:
    cats: list[dict[str, float]] = [{"good": 1.0, "new": 1.0, "bad": 0.0}, {"good": 0.0}, {}]

    assert label_sets_of(SOURCE, *({**DOC, "cats": scores} for scores in cats)) == [("good", "new"), (), None]
    assert set_reject_of(SOURCE, {"text": TEXT, "entities": TRIPLES}) == "labels is missing"


def test_read_spacy_reads_documents_of_arrow() -> None:
    scored = {"text": "Globex buys", "cats": {"good": 1.0, "bad": 0.0}, "ents": []}
    other = {"text": "Globex buys", "cats": {"worse": 1.0}, "ents": []}
    unlabelled = {"text": "Globex buys", "cats": {}, "ents": []}
    spans = [
        {"text": "Globex buys", "ents": [{"start": 0, "end": 6, "label": "ORG"}]},
        {"text": "Globex buys", "entities": [{"start": 0, "end": 6, "label": "ORG"}]},
    ]

    assert label_sets_of(SOURCE, *as_arrow(scored, other, unlabelled)) == [("good",), ("worse",), None]
    assert entities_of(SOURCE, *as_arrow(*spans)) == [[("Globex", "ORG")]] * 2
