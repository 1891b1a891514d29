from typing import Any

import pytest

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.documents.remedies import remedy_of
from tests.corpus.documents.reading import as_arrow, entities_of, label_sets_of, labels_of, reject_of, set_reject_of

SOURCE: dict[str, Any] = {"format": "doccano"}
TEXT = "Globex buys land in Rome"
SPANS = [("Globex", "ORG"), ("Rome", "LOC")]
TRIPLES = [[0, 6, "ORG"], [20, 24, "LOC"]]
# As doccano 1.8 exports a project of sequence labelling with relations.
RELATION_FORM: dict[str, Any] = {
    "id": 7,
    "text": TEXT,
    "entities": [
        {"id": 1, "label": "ORG", "start_offset": 0, "end_offset": 6},
        {"id": 2, "label": "LOC", "start_offset": 20, "end_offset": 24},
    ],
    "relations": [],
    "Comments": [],
}
# As doccano 1 exports JSON, with the numbers of labels in its database.
NUMBERED: dict[str, Any] = {
    "id": 7,
    "text": TEXT,
    "annotations": [
        {"label": 3, "start_offset": 0, "end_offset": 6, "user": 1, "created_at": "2021-05-01T00:00:00Z"},
        {"label": 5, "start_offset": 20, "end_offset": 24, "user": 1, "created_at": "2021-05-01T00:00:00Z"},
    ],
    "meta": {},
    "annotation_approver": None,
}
NUMBERED_CLASS = {**NUMBERED, "annotations": [{"label": 2, "user": 1}]}
NAMED: dict[str, Any] = {**SOURCE, "label_map": {"2": "good", "3": "ORG", "5.0": "LOC"}}
RELATION = {"id": 1, "from_id": 1, "to_id": 2, "type": "in"}


@pytest.mark.parametrize(
    "document",
    [
        {"id": 7, "text": TEXT, "label": TRIPLES, "Comments": []},
        {"id": 7, "text": TEXT, "labels": TRIPLES, "meta": {}, "annotation_approver": None},
        {"id": 7, "data": TEXT, "label": TRIPLES},
        {"text": TEXT, "entities": TRIPLES, "cats": ["Deal"]},
        RELATION_FORM,
    ],
)
def test_read_doccano_reads_spans_of_each_version(document: dict[str, Any]) -> None:
    assert entities_of(SOURCE, document) == [SPANS]


def test_read_doccano_reads_classes() -> None:
    documents: list[dict[str, Any]] = [
        {"id": 7, "text": TEXT, "label": ["good"], "Comments": []},
        {"id": 7, "text": TEXT, "labels": ["bad"]},
        {"text": TEXT, "entities": TRIPLES, "cats": ["Deal"]},
        {"text": TEXT, "label": "plain"},
    ]

    assert labels_of(SOURCE, *documents) == ["good", "bad", "Deal", "plain"]


def test_read_doccano_reads_a_text_without_spans() -> None:
    assert entities_of(SOURCE, {"text": TEXT, "label": []}, {**RELATION_FORM, "entities": []}) == [[], []]


def test_read_doccano_leaves_out_relations_by_rule() -> None:
    related = {**RELATION_FORM, "relations": [RELATION]}

    assert reject_of(SOURCE, related) == "relations are not read: 1 of them"
    assert entities_of({**SOURCE, "annotations": {"relations": "ignore"}}, related) == [SPANS]


@pytest.mark.parametrize(
    ("document", "label", "reason"),
    [
        ({"text": TEXT, "label": ["a", "b"]}, True, "text has several classes: ['a', 'b']"),
        ({"text": TEXT}, True, "label is missing"),
        ({"text": TEXT, "entities": TRIPLES, "cats": []}, True, "label is missing"),
        ({"text": TEXT}, False, "entities is missing"),
        ({"text": TEXT, "label": [[0, 6]]}, False, "entity is not [start, end, label]: [0, 6]"),
        ({"text": TEXT, "label": [[0, 6, "A"], [3, 11, "B"]]}, False, "entities overlap: Globex and bex buys"),
        ({"text": TEXT, "label": [[0, 60, "A"]]}, False, "entity lies outside the text: 0:60 in 24 characters"),
        ({"label": []}, False, "text is missing"),
    ],
)
def test_read_doccano_rejects_what_a_row_cannot_hold(document: dict[str, Any], label: bool, reason: str) -> None:
    assert reject_of(SOURCE, document, label=label) == reason


def test_read_doccano_reads_several_labels() -> None:
    documents: list[dict[str, Any]] = [
        {"id": 7, "text": TEXT, "label": ["sport", "money"], "Comments": []},
        {"id": 7, "text": TEXT, "labels": []},
        {"text": TEXT, "entities": TRIPLES, "cats": ["Deal", "Land"]},
        {"text": TEXT, "topics": ["land"], "label": ["other"]},
    ]

    assert label_sets_of(SOURCE, *documents[:3]) == [("money", "sport"), (), ("Deal", "Land")]
    assert label_sets_of({**SOURCE, "fields": {"labels": "topics"}}, documents[3]) == [("land",)]
    assert set_reject_of(SOURCE, {"text": TEXT}) == "labels is missing"
    assert set_reject_of(SOURCE, {"text": TEXT, "label": "plain"}) == "labels is not a list of labels: plain"


def test_read_doccano_leaves_out_documents_that_nobody_has_labelled() -> None:
    reader = DocumentReader(DocumentFormat(format="doccano"), needs_label=True, needs_entities=False)

    for unlabelled in ({"text": TEXT, "label": []}, {"text": TEXT, "entities": [], "cats": []}):
        assert reader.read(Document("1", unlabelled)) == ([], [])
    # Spans may be none on purpose, and so may be all labels of several.
    assert entities_of(SOURCE, {"text": TEXT, "label": []}) == [[]]
    assert label_sets_of(SOURCE, {"text": TEXT, "label": []}) == [()]


def test_read_doccano_reads_documents_of_arrow() -> None:
    spans = [
        {"text": "Globex buys", "entities": [{"start_offset": 0, "end_offset": 6, "label": "ORG"}], "relations": []},
        {"data": "Globex buys", "label": [{"start": 0, "end": 6, "label": "ORG"}]},
    ]
    classes = [{"text": "Globex buys", "cats": ["good"]}, {"data": "Globex buys", "label": ["good"]}]

    assert entities_of(SOURCE, *as_arrow(*spans)) == [[("Globex", "ORG")]] * 2
    assert labels_of(SOURCE, *as_arrow(*classes)) == ["good", "good"]


def test_read_doccano_names_numbers_of_entity_types() -> None:
    assert entities_of(NAMED, NUMBERED, {**NUMBERED, "annotations": []}) == [SPANS, []]
    assert reject_of(SOURCE, NUMBERED) == "entity.label is a number without a name: 3"


def test_read_doccano_names_numbers_of_classes() -> None:
    assert labels_of(NAMED, NUMBERED_CLASS) == ["good"]
    assert label_sets_of(NAMED, NUMBERED_CLASS, {**NUMBERED, "annotations": []}) == [("good",), ()]
    # Without a name, the number is no class.
    assert reject_of(SOURCE, NUMBERED_CLASS, label=True) == "label is a number without a name: 2"
    assert set_reject_of(SOURCE, NUMBERED_CLASS) == "labels is a number without a name: 2"
    assert remedy_of("label is a number without a name: 2").startswith("name it in source.label_map")


def test_read_doccano_reads_classes_and_spans_of_one_text() -> None:
    both = {**NUMBERED, "annotations": NUMBERED["annotations"] + NUMBERED_CLASS["annotations"]}
    for document in (both, *as_arrow(both)):
        assert labels_of(NAMED, document) == ["good"]
        assert entities_of(NAMED, document) == [SPANS]


def test_read_doccano_counts_texts_of_version_1_without_a_class() -> None:
    reader = DocumentReader(DocumentFormat.model_validate(NAMED), needs_label=True, needs_entities=False)
    assert reader.read(Document("0", {**NUMBERED, "annotations": []})) == ([], [])
    reader.read(Document("1", NUMBERED_CLASS))
    assert reader.label_keys == {"2"}


def test_numbers_of_entity_types_are_named_in_every_format() -> None:
    document = {"text": TEXT, "spans": [{"start": 0, "end": 6, "label": 3}, {"start": 20, "end": 24, "label": "LOC"}]}
    rows: dict[str, Any] = {"fields": {"entities": "spans"}}
    assert entities_of({**rows, "label_map": {"3": "ORG"}}, document) == [SPANS]
    assert reject_of(rows, document) == "entity.label is a number without a name: 3"
