from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson import ObjectId

from assay.corpus.documents.document_reader import DocumentReader, Reject, document_of
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document, shorten
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.sources.files import iter_rows

ROWS: dict[str, Any] = {"fields": {"label": "label"}}
PARSE: dict[str, Any] = {"format": "parse", "entity": {"name": "EntityName", "label": "type"}}
TOKENS: dict[str, Any] = {"format": "tokens", "fields": {"label": "intent"}}


def read(
    form: Mapping[str, Any], values: Mapping[str, Any], *, label: bool = True, entities: bool = False, **more: Any
) -> tuple[list[Example], list[Reject]]:
    reader = DocumentReader(DocumentFormat.model_validate(form), needs_label=label, needs_entities=entities)
    return reader.read(Document("rows:7", values, **more))


def reason(form: Mapping[str, Any], values: Mapping[str, Any], **more: Any) -> str:
    examples, rejects = read(form, values, **more)
    assert not examples
    [(_, why, _)] = rejects
    return why


def test_a_row_with_everything() -> None:
    form = {
        "fields": {
            "id": "meta.key",
            "text": "question",
            "text_pair": "passage",
            "label": "answer",
            "entities": "names",
            "group": "passage_id",
            "time": "asked",
            "split": "part",
            "slices": {"origin": "meta.origin", "long": "is_long"},
        },
    }
    values = {
        "meta": {"key": 17, "origin": None},
        "question": "is Oslo big",
        "passage": "Oslo ...",
        "answer": True,
        "names": [{"text": "Oslo", "label": "PLACE"}],
        "passage_id": 4,
        "asked": datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        "part": "dev",
        "is_long": False,
    }

    [example], rejects = read(form, values, entities=True)

    assert not rejects
    assert example == Example(
        id="17",
        text="is Oslo big",
        text_pair="Oslo ...",
        label="true",
        entities=(Entity(3, 7, "PLACE"),),
        split="validation",
        group="4",
        time="2026-05-01T12:00:00+00:00",
        slices={"origin": None, "long": "false"},
    )


def test_position_and_side_where_no_field_says_otherwise() -> None:
    [example], _ = read(ROWS, {"text": "a", "label": "x"}, split_name="test")

    assert (example.id, example.split) == ("rows:7", "test")


def test_what_no_head_needs_is_not_read() -> None:
    form = {"fields": {"label": "label", "entities": "entities"}}

    [example], _ = read(form, {"text": "a", "label": ["broken"], "entities": 3}, label=False)

    assert (example.label, example.entities) == (None, None)


def test_labels_are_renamed() -> None:
    form = {**ROWS, "label_map": {"0": "bearish", "true": "yes"}}

    assert [read(form, {"text": "a", "label": label})[0][0].label for label in (0, 0.0, True, "other")] == [
        "bearish",
        "bearish",
        "yes",
        "other",
    ]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"label": "a"}, "text is missing"),
        ({"text": None, "label": "a"}, "text is null"),
        ({"text": "", "label": "a"}, "text is empty"),
        ({"text": " \n\u00a0", "label": "a"}, "text is empty"),
        ({"text": float("nan"), "label": "a"}, "text is not text: nan (float)"),
        ({"text": 12, "label": "a"}, "text is not text: 12 (int)"),
        ({"text": b"a", "label": "a"}, "text is not text: b'a' (bytes)"),
        ({"text": {"a": {"b": None}}, "label": "a"}, "text is not text: {'a': {'b': None}} (dict)"),
        ({"text": "a\0b", "label": "a"}, "text holds a NUL character: at 1"),
        ({"text": "a\ud800", "label": "a"}, "text is not valid Unicode: lone surrogate at 1"),
        ({"text": "x" * 1_000_001, "label": "a"}, "text is too long: 1000001 characters, at most 1000000"),
        ({"text": "a"}, "label is missing"),
        ({"text": "a", "label": None}, "label is null"),
        ({"text": "a", "label": " "}, "label is empty"),
        ({"text": "a", "label": 0.5}, "label is not text: 0.5 (float)"),
        ({"text": "a", "label": ["b"]}, "label is not text: ['b'] (list)"),
    ],
)
def test_bad_rows(values: dict[str, Any], why: str) -> None:
    assert reason(ROWS, values) == why


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("id", None, "f is null"),
        ("id", [], "f is not a single value: []"),
        ("split", "holdout", "f is none of train, validation, valid, val, dev, test: holdout"),
        ("time", "yesterday", "f is not a time in ISO 8601: yesterday"),
        ("time", 1_700_000_000, "f is not a time in ISO 8601: 1700000000"),
        ("group", {"a": 1}, "f is not a single value: {'a': 1}"),
    ],
)
def test_bad_columns(field: str, value: object, why: str) -> None:
    assert reason({"fields": {"label": "label", field: "f"}}, {"text": "a", "label": "b", "f": value}) == why


@pytest.mark.parametrize("value", [None, "", float("nan")])
def test_columns_that_say_nothing_are_none(value: object) -> None:
    form = {"fields": {"label": "label", "group": "f", "slices": {"s": "f"}}}

    [example], _ = read(form, {"text": "a", "label": "b", "f": value})

    assert (example.group, example.slices) == (None, {"s": None})


@pytest.mark.parametrize("value", ["x" * 5000, [[[[[[[[1]]]]]]]], {"a": float("nan")}, {"k": ObjectId("0" * 24)}])
def test_rejects_hold_a_short_excerpt(value: object) -> None:
    _, [(row_id, _, excerpt)] = read(ROWS, {"text": 1, "value": value})

    assert row_id == "rows:7"
    assert len(str(excerpt)) < 700
    assert excerpt == shorten({"text": 1, "value": value})


def test_a_deeply_nested_value_is_rejected_not_fatal() -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]

    assert reason(ROWS, {"text": nested, "label": "a"}).startswith("text is not text: [[")


def parse(*sentences: object, **more: Any) -> dict[str, Any]:
    return {"_id": "d", "Parse": list(sentences), **more}


GOOD = {"Text": "Oslo shines", "Entities": [{"EntityName": "Oslo", "type": "PLACE"}], "sentiment": "positive"}


def test_a_parse_result_gives_a_row_a_sentence() -> None:
    form = {**PARSE, "fields": {"id": "_id", "group": "_id", "slices": {"source": "source", "lang": "lang"}}}
    document = parse(GOOD, {**GOOD, "lang": "de"}, source="blog", lang="en", isRepost=False)

    examples, rejects = read(form, document, entities=True)

    assert not rejects
    assert [example.id for example in examples] == ["d#0", "d#1"]
    assert examples[0].entities == (Entity(0, 4, "PLACE"),)
    assert examples[0].slices == {"source": "blog", "lang": "en"}
    assert examples[1].slices == {"source": "blog", "lang": "de"}
    assert {example.group for example in examples} == {"d"}


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("not an object", "sentence is not an object: not an object"),
        ({**GOOD, "Text": None}, "Text is null"),
        ({**GOOD, "sentiment": None}, "sentiment is null"),
        ({**GOOD, "Entities": None}, "Entities is null"),
        ({"Text": "a", "sentiment": "b"}, "Entities is missing"),
        ({**GOOD, "Entities": [{"EntityName": "Rome"}]}, "entity is not in the text: Rome"),
    ],
)
def test_one_reject_for_each_bad_sentence_and_the_good_ones_stay(sentence: object, why: str) -> None:
    examples, rejects = read(PARSE, parse(GOOD, sentence, GOOD), entities=True)

    assert [example.id for example in examples] == ["rows:7#0", "rows:7#2"]
    assert [(row_id, text) for row_id, text, _ in rejects] == [("rows:7#1", why)]


@pytest.mark.parametrize("document", [parse(GOOD, isRepost=True), parse(), parse(isRepost=None)])
def test_reposts_and_documents_without_sentences_are_filtered(document: dict[str, Any]) -> None:
    assert read(PARSE, document) == ([], [])


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "Parse is missing"),
        ({"Parse": None}, "Parse is null"),
        ({"Parse": "[]"}, "Parse is not a list: []"),
        ({"Parse": [GOOD], "isRepost": "no"}, "isRepost is neither true nor false: no"),
    ],
)
def test_documents_that_are_no_parse_result(document: dict[str, Any], why: str) -> None:
    assert reason(PARSE, document) == why


def test_tokens_and_tags() -> None:
    values = {"tokens": ["play", "miles", "davis"], "tags": ["O", "B-artist", "I-artist"], "intent": "PlayMusic"}

    [example], _ = read(TOKENS, values, entities=True)

    assert (example.text, example.label) == ("play miles davis", "PlayMusic")
    assert example.entities == (Entity(5, 16, "artist"),)


@pytest.mark.parametrize(
    ("tokens", "tags", "why"),
    [
        (["a"], ["O", "O"], "tags do not match tokens: 2 tags, 1 tokens"),
        (["a", ""], ["O", "O"], "token is empty"),
        (["a", None], ["O", "O"], "token is null"),
        (["a"], ["Q"], "tag is neither O nor B-TYPE nor I-TYPE: Q"),
        (["a"], [3], "tag is not text: 3 (int)"),
        ([], [], "tokens is empty"),
        ("a b", ["O"], "tokens is not a list: a b"),
        (["a"], None, "tags is null"),
    ],
)
def test_bad_tokens(tokens: object, tags: object, why: str) -> None:
    assert reason(TOKENS, {"tokens": tokens, "tags": tags, "intent": "x"}, entities=True) == why


def test_the_fields_that_a_head_needs_must_be_named() -> None:
    with pytest.raises(AssayError, match=r"source\.fields\.label"):
        DocumentReader(DocumentFormat(), needs_label=True, needs_entities=False)
    with pytest.raises(AssayError, match=r"source\.fields\.entities"):
        DocumentReader(DocumentFormat(), needs_label=False, needs_entities=True)


def test_a_database_sends_only_what_is_read() -> None:
    form = DocumentFormat.model_validate(
        {**PARSE, "fields": {"slices": {"source": "meta.source"}, "time": "meta.time"}}
    )
    reader = DocumentReader(form, needs_label=True, needs_entities=True)

    assert reader.field_names() == ["Parse", "isRepost", "meta"]


def test_a_date_of_parquet_is_a_time(tmp_path: Path) -> None:
    days = pa.array([date(2026, 1, 1), None], pa.date32())
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["x", "y"], "on": days}), tmp_path / "rows.parquet")
    form = {"fields": {"label": "label", "time": "on", "slices": {"year": "on:year"}}}

    examples = [read(form, row)[0][0] for _, row in iter_rows(tmp_path / "rows.parquet") if isinstance(row, dict)]

    found = [(example.time, example.slices["year"]) for example in examples]
    assert found == [("2026-01-01T00:00:00", "2026"), (None, None)]


def test_times_in_utc_sort_as_text() -> None:
    form = {"fields": {"label": "label", "time": "t"}}
    times = [datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:30:00+01:00", "2026-01-01T00:10:00Z"]

    examples = [read(form, {"text": "a", "label": "b", "t": time})[0][0] for time in times]

    assert sorted(f"{example.time}" for example in examples) == [
        "2025-12-31T23:30:00+00:00",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:10:00+00:00",
    ]


@pytest.mark.parametrize(
    ("fields", "document", "groups"),
    [
        ({}, parse(GOOD, GOOD), ["rows:7", "rows:7"]),
        ({"id": "_id"}, parse(GOOD, GOOD), ["d", "d"]),
        ({"id": "_id", "group": "author"}, parse(GOOD, GOOD, author=5), ["5", "5"]),
        ({"id": "_id", "group": "author"}, parse(GOOD, GOOD), ["d", "d"]),
        ({"id": "_id", "group": "author"}, parse(GOOD, {**GOOD, "author": "x"}), ["x", "x"]),
        ({"id": "_id", "group": "author"}, parse({**GOOD, "author": None}, GOOD, author="y"), ["y", "y"]),
        ({"id": "_id", "group": "author"}, parse({**GOOD, "author": "x"}, GOOD, author="y"), ["x", "y"]),
        ({"id": "_id"}, parse(GOOD, {**GOOD, "sentiment": 1.5}, GOOD), ["d", "d"]),
    ],
)
def test_the_document_is_the_group_of_its_sentences_unless_they_have_one(
    fields: dict[str, str], document: dict[str, Any], groups: list[str]
) -> None:
    examples, _ = read({**PARSE, "fields": fields}, document, entities=True)
    assert [example.group for example in examples] == groups
    assert {document_of(example.id) for example in examples} == {"d" if "id" in fields else "rows:7"}


def test_rows_of_other_forms_have_no_group_but_their_own() -> None:
    [row], _ = read(ROWS, {"text": "a", "label": "b"})
    [tagged], _ = read(TOKENS, {"tokens": ["a"], "intent": "b"})
    assert (row.group, tagged.group) == (None, None)
