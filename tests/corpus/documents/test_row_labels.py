from typing import Any

import pytest

from assay.corpus.documents.chunk import ChunkReader
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.documents.remedies import GENERAL, remedy_of
from assay.corpus.errors import AssayError
from assay.corpus.example import from_batch

NEEDS = {"needs_label": False, "needs_entities": False, "needs_labels": True}


def read(values: dict[str, Any], **settings: Any) -> tuple[Any, list[str]]:
    """Return the labels of one row, and the reasons for which it was rejected."""
    fields = settings.pop("fields", {"labels": "topics"})
    reader = DocumentReader(DocumentFormat.model_validate({"fields": fields, **settings}), **NEEDS)
    examples, rejects = reader.read(Document("1", {"text": "a text", **values}))
    return (examples[0].labels if examples else "no row"), [reason for _, reason, _ in rejects]


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (["sport", "money", "sport"], ("money", "sport")),
        ([], ()),
        (None, None),
        ([5, 5.0, True], ("5", "true")),
        ('["money", "sport"]', ("money", "sport")),
        ("['money', 'sport']", ("money", "sport")),  # as pandas writes a list into a table
        ("['sport' 'money']", ("money", "sport")),  # and an array
    ],
)
def test_row_labels_reads_lists_whoever_wrote_them(value: Any, labels: Any) -> None:
    assert read({"topics": value}) == (labels, [])


@pytest.mark.parametrize(("cell", "labels"), [("money; sport", ("money", "sport")), ("", ()), ("money", ("money",))])
def test_row_labels_reads_a_delimited_cell(cell: str, labels: tuple[str, ...]) -> None:
    assert read({"topics": cell}, label_separator=";") == (labels, [])


def test_row_labels_reads_columns_of_0_and_1_as_those_of_jigsaw() -> None:
    fields = {"labels": ["toxic", "insult", "threat"]}
    assert read({"toxic": "1", "insult": 1.0, "threat": False}, fields=fields) == (("insult", "toxic"), [])
    assert read({"toxic": "0", "insult": 0, "threat": "0"}, fields=fields) == ((), [])
    assert read({"toxic": "", "insult": None, "threat": ""}, fields=fields) == (None, [])
    assert read({"toxic": -1, "insult": -1, "threat": -1}, fields=fields, no_label=["-1"]) == ("no row", [])
    assert read({"topics": " NONE"}, label_separator=";", no_label=["none"], fold_labels=True) == ("no row", [])


@pytest.mark.parametrize(
    ("values", "fields", "reason"),
    [
        ({"topics": "money;sport"}, {"labels": "topics"}, "topics is not a list of labels: money;sport"),
        ({"topics": {"money": 1}}, {"labels": "topics"}, "topics is not a list of labels: {'money': 1}"),
        ({"topics": " "}, {"labels": "topics"}, "topics is empty"),
        ({"topics": "['a' ... 'b']"}, {"labels": "topics"}, "topics is a shortened list: ['a' ... 'b']"),
        ({"topics": ["money", ""]}, {"labels": "topics"}, "topics is empty"),
        ({"topics": [None]}, {"labels": "topics"}, "topics is null"),
        ({}, {"labels": "topics"}, "topics is missing"),
        ({"toxic": 0.3, "insult": 1}, {"labels": ["toxic", "insult"]}, "toxic is neither 0 nor 1: 0.3"),
        ({"toxic": None, "insult": 1}, {"labels": ["toxic", "insult"]}, "labels are known in part: toxic is empty"),
        ({"toxic": 1}, {"labels": ["toxic", "insult"]}, "insult is missing"),
    ],
)
def test_row_labels_rejects_what_is_no_label_with_reason_and_remedy(
    values: dict[str, Any], fields: dict[str, Any], reason: str
) -> None:
    assert read(values, fields=fields) == ("no row", [reason])
    assert remedy_of(reason) != GENERAL


def test_row_labels_are_mapped_and_folded() -> None:
    settings = {"label_map": {"eco": "money"}, "fold_labels": True}
    assert read({"topics": ["eco", " Sport "]}, **settings) == (("money", "sport"), [])


def test_row_labels_of_sentences_in_a_parse_document() -> None:
    parse = DocumentFormat.model_validate({"format": "parse", "parse": {"labels": "topics"}})
    document = {"Parse": [{"Text": "a", "topics": ["x"]}, {"Text": "b", "topics": None}, {"Text": "c"}]}
    examples, rejects = DocumentReader(parse, **NEEDS).read(Document("1", document))
    assert [example.labels for example in examples] == [("x",), None]
    assert [reason for _, reason, _ in rejects] == ["topics is missing"]


def test_row_labels_survive_the_way_through_arrow() -> None:
    chunk = ChunkReader(DocumentFormat.model_validate({"fields": {"labels": "topics"}}), **NEEDS).read(
        [Document(str(number), {"text": "a", "topics": topics}) for number, topics in enumerate([["x"], [], None])]
    )
    assert [example.labels for example in from_batch(chunk.batch)] == [("x",), (), None]


def test_document_reader_refuses_a_labels_head_without_a_field_or_with_columns_of_a_tool() -> None:
    with pytest.raises(AssayError, match=r"name their field in source\.fields\.labels"):
        DocumentReader(DocumentFormat(), **NEEDS)
    with pytest.raises(AssayError, match=r"name their field in source\.parse\.labels"):
        DocumentReader(DocumentFormat(format="parse"), **NEEDS)
    columns = {"format": "doccano", "fields": {"labels": ["a", "b"]}}
    with pytest.raises(
        AssayError, match=r"labels is \['a', 'b'\], but source\.format doccano has no columns of 0 and 1"
    ):
        DocumentReader(DocumentFormat.model_validate(columns), **NEEDS)
