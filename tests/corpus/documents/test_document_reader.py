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
from assay.corpus.documents.raw_document import SPLIT_ALIASES, Document, shorten
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.sources.files import iter_rows

ROWS: dict[str, Any] = {"fields": {"label": "label"}}
PARSE: dict[str, Any] = {"format": "parse", "entity": {"name": "EntityName", "label": "type"}}
TOKENS: dict[str, Any] = {"format": "tokens", "fields": {"label": "intent"}}


def read(
    document_format: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    label: bool = True,
    entities: bool = False,
    **more: Any,
) -> tuple[list[Example], list[Reject]]:
    reader = DocumentReader(DocumentFormat.model_validate(document_format), needs_label=label, needs_entities=entities)
    return reader.read(Document("rows:7", values, **more))


def reason(document_format: Mapping[str, Any], values: Mapping[str, Any], **more: Any) -> str:
    examples, rejects = read(document_format, values, **more)
    assert not examples
    [(_, reason_text, _)] = rejects
    return reason_text


def test_read_rows_with_all_fields() -> None:
    document_format = {
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

    [example], rejects = read(document_format, values, entities=True)

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


def test_read_defaults_to_position_and_split_of_the_document() -> None:
    [example], _ = read(ROWS, {"text": "a", "label": "x"}, split_name="test")

    assert (example.id, example.split) == ("rows:7", "test")


def test_read_skips_fields_that_no_head_needs() -> None:
    document_format = {"fields": {"label": "label", "entities": "entities"}}

    [example], _ = read(document_format, {"text": "a", "label": ["broken"], "entities": 3}, label=False)

    assert (example.label, example.entities) == (None, None)


def test_read_renames_labels() -> None:
    document_format = {**ROWS, "label_map": {"0": "bearish", "true": "yes"}}

    assert [read(document_format, {"text": "a", "label": label})[0][0].label for label in (0, 0.0, True, "other")] == [
        "bearish",
        "bearish",
        "yes",
        "other",
    ]


@pytest.mark.parametrize(
    ("values", "reason_text"),
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
        ({"text": "a", "label": ["b", "c"]}, "text has several classes: ['b', 'c']"),
    ],
)
def test_read_rejects_invalid_rows(values: dict[str, Any], reason_text: str) -> None:
    assert reason(ROWS, values) == reason_text


@pytest.mark.parametrize(
    ("field", "value", "reason_text"),
    [
        ("id", None, "f is null"),
        ("id", [], "f is not a single value: []"),
        ("split", "holdout", f"f is none of {', '.join(SPLIT_ALIASES)}: holdout"),
        ("time", "yesterday", "f is not a time in ISO 8601: yesterday"),
        ("time", 1e300, "f is not a Unix time: 1e+300"),
        ("group", {"a": 1}, "f is not a single value: {'a': 1}"),
    ],
)
def test_read_rejects_invalid_columns(field: str, value: object, reason_text: str) -> None:
    assert reason({"fields": {"label": "label", field: "f"}}, {"text": "a", "label": "b", "f": value}) == reason_text


@pytest.mark.parametrize("value", [None, "", float("nan")])
def test_read_gives_none_for_empty_columns(value: object) -> None:
    document_format = {"fields": {"label": "label", "group": "f", "slices": {"s": "f"}}}

    [example], _ = read(document_format, {"text": "a", "label": "b", "f": value})

    assert (example.group, example.slices) == (None, {"s": None})


@pytest.mark.parametrize("value", ["x" * 5000, [[[[[[[[1]]]]]]]], {"a": float("nan")}, {"k": ObjectId("0" * 24)}])
def test_read_rejects_with_a_short_excerpt(value: object) -> None:
    _, [(row_id, _, excerpt)] = read(ROWS, {"text": 1, "value": value})

    assert row_id == "rows:7"
    assert len(str(excerpt)) < 700
    assert excerpt == shorten({"text": 1, "value": value})


def test_read_rejects_a_deeply_nested_value() -> None:
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]

    assert reason(ROWS, {"text": nested, "label": "a"}).startswith("text is not text: [[")


def parse(*sentences: object, **more: Any) -> dict[str, Any]:
    return {"_id": "d", "Parse": list(sentences), **more}


VALID = {"Text": "Oslo shines", "Entities": [{"EntityName": "Oslo", "type": "PLACE"}], "sentiment": "positive"}


def test_read_parse_gives_one_row_per_sentence() -> None:
    document_format = {**PARSE, "fields": {"id": "_id", "group": "_id", "slices": {"source": "source", "lang": "lang"}}}
    document = parse(VALID, {**VALID, "lang": "de"}, source="blog", lang="en", isRepost=False)

    examples, rejects = read(document_format, document, entities=True)

    assert not rejects
    assert [example.id for example in examples] == ["d#0", "d#1"]
    assert examples[0].entities == (Entity(0, 4, "PLACE"),)
    assert examples[0].slices == {"source": "blog", "lang": "en"}
    assert examples[1].slices == {"source": "blog", "lang": "de"}
    assert {example.group for example in examples} == {"d"}


@pytest.mark.parametrize(
    ("sentence", "reason_text"),
    [
        ("not an object", "sentence is not an object: not an object"),
        ({**VALID, "Text": None}, "Text is null"),
        ({**VALID, "sentiment": None}, "sentiment is null"),
        ({**VALID, "Entities": None}, "Entities is null"),
        ({"Text": "a", "sentiment": "b"}, "Entities is missing"),
        ({**VALID, "Entities": [{"EntityName": "Rome"}]}, "entity is not in the text: Rome"),
    ],
)
def test_read_parse_rejects_only_the_invalid_sentence(sentence: object, reason_text: str) -> None:
    examples, rejects = read(PARSE, parse(VALID, sentence, VALID), entities=True)

    assert [example.id for example in examples] == ["rows:7#0", "rows:7#2"]
    assert [(row_id, text) for row_id, text, _ in rejects] == [("rows:7#1", reason_text)]


@pytest.mark.parametrize("document", [parse(VALID, isRepost=True), parse(), parse(isRepost=None)])
def test_read_parse_filters_reposts_and_documents_without_sentences(document: dict[str, Any]) -> None:
    assert read(PARSE, document) == ([], [])


@pytest.mark.parametrize(
    ("document", "reason_text"),
    [
        ({}, "Parse is missing"),
        ({"Parse": None}, "Parse is null"),
        ({"Parse": "none"}, "Parse is not a list: none"),
        ({"Parse": [VALID], "isRepost": "no"}, "isRepost is neither true nor false: no"),
    ],
)
def test_read_parse_rejects_other_documents(document: dict[str, Any], reason_text: str) -> None:
    assert reason(PARSE, document) == reason_text


def test_read_tokens_and_tags() -> None:
    values = {"tokens": ["play", "miles", "davis"], "tags": ["O", "B-artist", "I-artist"], "intent": "PlayMusic"}

    [example], _ = read(TOKENS, values, entities=True)

    assert (example.text, example.label) == ("play miles davis", "PlayMusic")
    assert example.entities == (Entity(5, 16, "artist"),)


@pytest.mark.parametrize(
    ("tokens", "tags", "reason_text"),
    [
        (["a"], ["O", "O"], "tags do not match tokens: 2 tags, 1 token"),
        (["a", ""], ["O", "O"], "token is empty"),
        (["a", None], ["O", "O"], "token is null"),
        (["a"], ["Q"], "tag has no prefix: Q"),
        (["a"], [3], "tag is a number: 3"),
        ([], [], "tokens is empty"),
        ("a b", ["O"], "tokens is not a list: a b"),
        (["a"], None, "tags is null"),
    ],
)
def test_read_tokens_rejects_invalid_tokens_and_tags(tokens: object, tags: object, reason_text: str) -> None:
    assert reason(TOKENS, {"tokens": tokens, "tags": tags, "intent": "x"}, entities=True) == reason_text


def test_document_reader_requires_the_fields_that_a_head_needs() -> None:
    with pytest.raises(AssayError, match=r"source\.fields\.label"):
        DocumentReader(DocumentFormat(), needs_label=True, needs_entities=False)
    with pytest.raises(AssayError, match=r"source\.fields\.entities"):
        DocumentReader(DocumentFormat(), needs_label=False, needs_entities=True)


def test_field_names_are_the_fields_that_are_read() -> None:
    document_format = DocumentFormat.model_validate(
        {**PARSE, "fields": {"slices": {"source": "meta.source"}, "time": "meta.time"}}
    )
    reader = DocumentReader(document_format, needs_label=True, needs_entities=True)

    assert reader.field_names() == ["Parse", "isRepost", "meta"]


def test_read_takes_a_list_of_one_as_the_class() -> None:
    read_class = {"fields": {"label": "label"}, "label_map": {"1": "up"}}

    [example], _ = read(read_class, {"text": "a", "label": [1]})

    assert example.label == "up"
    reasons = [read(read_class, {"text": "a", "label": label})[1][0][1] for label in (["a", "b"], [], [None])]
    assert reasons == ["text has several classes: ['a', 'b']", "label is empty", "label is null"]
    assert [read(read_class, {"text": "a", "label": cell})[0][0].label for cell in ("[1]", "['b']", "[b]")] == [
        "up",
        "b",
        "[b]",
    ]
    assert read(read_class, {"text": "a", "label": "['a', 'b']"})[1][0][1] == reasons[0]
    assert read(read_class, {"text": "a", "label": "[]"})[1][0][1] == "label is empty"
    assert read({**read_class, "no_label": [""]}, {"text": "a", "label": []}) == ([], [])


@pytest.mark.parametrize("first", ["text", "tokens"])
def test_a_row_of_its_field_names_alone_has_its_second_text(first: str) -> None:
    values = {"text": "Globex buys", "tokens": ["Globex", "buys"], "question": "Who?", "tone": "good", "other": 1}
    document_format = DocumentFormat.model_validate(
        {"format": "rows" if first == "text" else first, "fields": {"text_pair": "question", "label": "tone"}}
    )
    reader = DocumentReader(document_format, needs_label=True, needs_entities=False)

    sent = {name: values[name] for name in reader.field_names()}

    assert sent.keys() == {first, "question", "tone"}
    [example], _ = reader.read(Document("1", sent))
    assert (example.text, example.text_pair) == ("Globex buys", "Who?")


def test_read_takes_a_parquet_date_as_time(tmp_path: Path) -> None:
    days = pa.array([date(2026, 1, 1), None], pa.date32())
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["x", "y"], "on": days}), tmp_path / "rows.parquet")
    document_format = {"fields": {"label": "label", "time": "on", "slices": {"year": "on:year"}}}

    examples = [
        read(document_format, row)[0][0] for _, row in iter_rows(tmp_path / "rows.parquet") if isinstance(row, dict)
    ]

    times = [(example.time, example.slices["year"]) for example in examples]
    assert times == [("2026-01-01T00:00:00", "2026"), (None, None)]


def test_read_gives_times_in_utc_that_sort_as_text() -> None:
    document_format = {"fields": {"label": "label", "time": "t"}}
    times = [datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:30:00+01:00", "2026-01-01T00:10:00Z"]

    examples = [read(document_format, {"text": "a", "label": "b", "t": time})[0][0] for time in times]

    assert sorted(f"{example.time}" for example in examples) == [
        "2025-12-31T23:30:00+00:00",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:10:00+00:00",
    ]


@pytest.mark.parametrize(
    ("fields", "document", "groups"),
    [
        ({}, parse(VALID, VALID), ["rows:7", "rows:7"]),
        ({"id": "_id"}, parse(VALID, VALID), ["d", "d"]),
        ({"id": "_id", "group": "author"}, parse(VALID, VALID, author=5), ["5", "5"]),
        ({"id": "_id", "group": "author"}, parse(VALID, VALID), ["d", "d"]),
        ({"id": "_id", "group": "author"}, parse(VALID, {**VALID, "author": "x"}), ["x", "x"]),
        ({"id": "_id", "group": "author"}, parse({**VALID, "author": None}, VALID, author="y"), ["y", "y"]),
        ({"id": "_id", "group": "author"}, parse({**VALID, "author": "x"}, VALID, author="y"), ["x", "y"]),
        ({"id": "_id"}, parse(VALID, {**VALID, "sentiment": 1.5}, VALID), ["d", "d"]),
    ],
)
def test_read_parse_groups_sentences_by_document_by_default(
    fields: dict[str, str], document: dict[str, Any], groups: list[str]
) -> None:
    examples, _ = read({**PARSE, "fields": fields}, document, entities=True)
    assert [example.group for example in examples] == groups
    assert {document_of(example.id) for example in examples} == {"d" if "id" in fields else "rows:7"}


def test_read_gives_rows_and_tokens_no_default_group() -> None:
    [row], _ = read(ROWS, {"text": "a", "label": "b"})
    [tagged], _ = read(TOKENS, {"tokens": ["a"], "intent": "b"})
    assert (row.group, tagged.group) == (None, None)


@pytest.mark.parametrize(
    ("source", "heads", "names"),
    [
        (
            {"fields": {"text": "a.b", "text_pair": "c", "entities": "d", "label": "e"}},
            {"needs_label": True, "needs_entities": False},
            ["a", "c", "e"],
        ),
        (
            {"fields": {"text": "a", "entities": "d", "labels": ["f", "g"]}},
            {"needs_label": False, "needs_entities": True, "needs_labels": True},
            ["a", "d", "f", "g"],
        ),
        (
            {"format": "tokens", "fields": {"tokens": "a", "tags": "b"}},
            {"needs_label": False, "needs_entities": True},
            ["a", "b"],
        ),
        # a tool decides where its documents hold what is read
        ({"format": "label_studio"}, {"needs_label": True, "needs_entities": True}, []),
    ],
)
def test_field_names_of_each_format(source: dict[str, Any], heads: dict[str, bool], names: list[str]) -> None:
    assert DocumentReader(DocumentFormat.model_validate(source), **heads).field_names() == names


def test_read_takes_the_split_of_the_file_where_a_row_names_none() -> None:
    source = DocumentFormat.model_validate({"fields": {"label": "label", "split": "part"}})
    reader = DocumentReader(source, needs_label=True, needs_entities=False)
    values: list[dict[str, Any]] = [{"part": "dev"}, {"part": None}, {}]
    rows = [reader.read(Document("1", {"text": "a", "label": "b", **part}, "test"))[0][0] for part in values]
    assert [row.split for row in rows] == ["validation", "test", "test"]


ACME = "Acme opens in Ulm"
CELLS = {"format": "rows", "fields": {"entities": "entities"}}


@pytest.mark.parametrize(
    "cell",
    [
        '[{"start": 0, "end": 4, "label": "ORG"}]',
        "[{'start': 0, 'end': 4, 'label': 'ORG'}]",
        "[{'start': np.int64(0), 'end': np.int64(4), 'label': 'ORG'}]",
        "[(0, 4, 'ORG')]",
        '[[0, 4, "ORG"]]',
        "{'start': [0], 'end': [4], 'label': ['ORG']}",
        [[0, 4, "ORG"]],
    ],
)
def test_read_takes_the_entities_of_a_cell(cell: object) -> None:
    examples, rejects = read(CELLS, {"text": ACME, "entities": cell}, label=False, entities=True)
    assert not rejects
    assert [example.entities for example in examples] == [(Entity(0, 4, "ORG"),)]


@pytest.mark.parametrize(
    ("cell", "reason_text"),
    [
        ("", "entities is empty"),
        ("Acme", "entities is not a list of entities: Acme"),
        ("[{'start': 0", "entities is not a list of entities: [{'start': 0"),
        ("[(0, 4)]", "entity is not [start, end, label]: [0, 4]"),
        ("[('ORG', 0, 4)]", "entity is not [start, end, label]: ['ORG', 0, 4]"),
        ("['Acme']", "entity is not an object: Acme"),
    ],
)
def test_read_rejects_a_cell_without_entities(cell: str, reason_text: str) -> None:
    assert reason(CELLS, {"text": ACME, "entities": cell}, label=False, entities=True) == reason_text


def test_a_row_of_plain_json_whose_entities_overlap_is_rejected() -> None:
    entities = [{"start": 0, "end": 4, "label": "ORG"}, {"start": 2, "end": 9, "label": "ORG"}]
    row = {"text": "Acme grew", "entities": entities}
    fields = {"fields": {"entities": "entities"}}
    assert reason(fields, row, label=False, entities=True) == "entities overlap: Acme and me grew"
