"""Entities and values as BigBIO, `datasets` and nested exports publish them."""

from typing import Any

import pytest

from tests.corpus.documents.reading import counts_of, entities_of, labels_of, reject_of, rows_of

TEXT = "Aspirin helps Anna"
ROWS: dict[str, Any] = {"fields": {"entities": "entities", "label": None}}
BIGBIO: dict[str, Any] = {"fields": {"text": "passages.0.text.0", "entities": "entities"}}
BIGBIO["entity"] = {"offsets": "offsets", "label": "type"}


def bigbio(*offsets: list[int], words: list[str]) -> dict[str, Any]:
    """Return a document of the schema bigbio_kb."""
    return {
        "id": "0",
        "document_id": "d0",
        "passages": [{"id": "p0", "type": "text", "text": [TEXT], "offsets": [[0, 18]]}],
        "entities": [{"id": "T1", "type": "DRUG", "text": words, "offsets": list(offsets)}],
        "events": [],
        "relations": [],
    }


def test_entities_of_bigbio() -> None:
    assert entities_of(BIGBIO, bigbio([0, 7], words=["Aspirin"])) == [[("Aspirin", "DRUG")]]


def test_entities_of_bigbio_in_parts_are_rejected() -> None:
    parts = bigbio([0, 7], [14, 18], words=["Aspirin", "Anna"])

    assert reject_of(BIGBIO, parts) == "entity is discontinuous: [[0, 7], [14, 18]]"
    assert reject_of(BIGBIO, bigbio(words=[])) == "entity.offsets is not a list of offsets: []"


def test_entities_of_an_object_of_lists() -> None:
    columns = {"start": [0, 14], "end": [7, 18], "label": ["DRUG", "PER"]}

    assert entities_of(ROWS, {"text": TEXT, "entities": columns}) == [[("Aspirin", "DRUG"), ("Anna", "PER")]]
    assert entities_of(ROWS, {"text": TEXT, "entities": {"start": [], "end": [], "label": []}}) == [[]]
    assert reject_of(ROWS, {"text": TEXT, "entities": {**columns, "end": [7]}}).startswith("lists of entities differ")
    assert reject_of(ROWS, {"text": TEXT, "entities": {}}) == "entities are not a list: {}"


@pytest.mark.parametrize("index", ["1", "x"])
def test_names_with_an_index_that_is_not_there_are_missing(index: str) -> None:
    source = {"fields": {"text": f"texts.{index}", "label": "label"}}

    assert reject_of(source, {"texts": [TEXT], "label": "a"}, label=True) == f"texts.{index} is missing"


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (1714637491, "2024-05-02T08:11:31+00:00"),
        (1714637491000, "2024-05-02T08:11:31+00:00"),
        ("1714637491", "2024-05-02T08:11:31+00:00"),
        (0, "1970-01-01T00:00:00+00:00"),
        ("20240502", "2024-05-02T00:00:00"),
    ],
)
def test_times_may_be_unix_times(value: object, time: str) -> None:
    source = {"fields": {"label": "label", "time": "at"}}

    assert [row.time for row in rows_of(source, {"text": TEXT, "label": "a", "at": value}, label=True)] == [time]


def test_rows_without_a_label_are_left_out_on_request() -> None:
    source = {"fields": {"label": "label", "entities": "entities"}, "no_label": ["-1", "unlabelled"]}
    values = ["good", -1, "-1", "unlabelled", None, ""]
    documents = [{"text": TEXT, "label": value, "entities": []} for value in values]

    assert labels_of(source, *documents) == ["good"]
    assert counts_of(source, *documents) == (6, 0, 0)  # labels are not read for a token head
    assert reject_of(source, {"text": TEXT}, label=True) == "label is missing"
    assert labels_of({"fields": {"label": "label"}}, documents[1]) == ["-1"]
    assert reject_of({"fields": {"label": "label"}}, documents[5], label=True) == "label is empty"


def test_sentences_without_a_label_are_left_out_on_request() -> None:
    document = {"Parse": [{"Text": TEXT, "sentiment": -1}, {"Text": TEXT, "sentiment": "good"}]}

    assert labels_of({"format": "parse", "no_label": ["-1"]}, document) == ["good"]


def test_labels_are_folded_on_request() -> None:
    source = {"fields": {"label": "label"}, "fold_labels": True, "label_map": {"very good": "Best", "Bad": "Worst"}}
    documents = [{"text": TEXT, "label": value} for value in ("Good ", "good", " Very  GOOD", "Bad", 5)]

    assert labels_of(source, *documents) == ["good", "good", "Best", "Worst", "5"]
    assert labels_of({"fields": {"label": "label"}}, documents[0]) == ["Good "]
