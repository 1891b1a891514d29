import json
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import JsonLayout
from assay.corpus.sources.json_layout import LINES, MOST_NAMES, no_list, recognise_json, several_lists

ARRAY = JsonLayout(form="array")
SEQUENCE = JsonLayout(form="sequence")
NESTED = "[" * 100_000  # deeper than Python parses


def recognise(text: str, name: str = "rows.json", rows: str | None = None, *, whole: bool = True) -> object:
    return recognise_json(Path(name), text, rows, whole=whole)


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.txt", "rows.jsonl.gz"])
@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ('{"text": "a"}\n{"text": "b"}\n', LINES),
        ('\n\n  {"text": "a"}\n{"text": "b"}\n', LINES),
        ('{"text": "a"}\n', LINES),
        ('["a", {}]\n["b", {}]\n', LINES),  # pairs of text and object, as spaCy writes them
        ('[{"text": "a"}]', ARRAY),
        ("[]", ARRAY),
        ('[\n{"text": "a"},\n{"text": "b"}\n]\n', ARRAY),
        ('[[{"text": "a"}], [{"text": "b"}]]', ARRAY),
        ('{\n"text": "a"\n}\n{\n"text": "b"\n}\n', SEQUENCE),
        ("text,label\na,b\n", None),
        ("[ O\nEmpire B-loc\n", None),  # a token of a CoNLL file
    ],
)
def test_recognise_json_decides_by_the_content(name: str, text: str, layout: object) -> None:
    assert recognise(text, name) == layout


@pytest.mark.parametrize(
    ("name", "text", "layout"),
    [
        # A single object is a row of JSON lines, and the container of rows in a JSON file.
        ("rows.jsonl", '{"text": "a", "entities": [{"start": 0}]}', LINES),
        ("rows.json", '{"text": "a", "entities": [{"start": 0}]}', JsonLayout(form="object", rows="entities")),
        ("ROWS.JSON.GZ", '{"n": 1, "data": [{"text": "a"}]}', JsonLayout(form="object", rows="data")),
        ("rows.json", '{"text": "a", "stars": 5}', LINES),
        (
            "nlu.json",
            '{"nlu": {"examples": [{"text": "a"}], "regex": []}}',
            JsonLayout(form="object", rows="nlu.examples"),
        ),
        # A document of an annotation tool is a row, whatever lists it holds.
        ("task.json", '{"id": 1, "data": {"text": "a"}, "annotations": [{"result": []}]}', SEQUENCE),
        ("task.json", '{\n"text": "a",\n"spans": [{"start": 0}],\n"answer": "accept"\n}\n', SEQUENCE),
        # Pairs of spaCy, of which a tool leaves some empty.
        (
            "all.json",
            '{"classes": ["ORG"], "annotations": [null, ["a", {"entities": []}]]}',
            JsonLayout(form="object", rows="annotations"),
        ),
        # Damaged lines stay lines where the name says so, or most of them begin like one.
        ("rows.jsonl", 'damaged\n{"text": "a"}\n', LINES),
        ("rows.jsonl", '{"text": \n{"text": "b"}\n', LINES),
        ("rows.jsonl", '{"text": \n', LINES),
        ("rows.txt", '{"text": \n{"text": "b"}\n', LINES),
        ("rows.txt", "damaged\n", None),
        ("rows.txt", 'damaged\n{"text": "a"}\n', None),
        ("rows.txt", '{damaged\n"text', None),
        ("rows.txt", "{damaged", None),
        ("rows.json", "{damaged", LINES),
    ],
)
def test_recognise_json_asks_the_name_where_the_content_leaves_it_open(name: str, text: str, layout: object) -> None:
    assert recognise(text, name) == layout


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ('{"version": 1,\n"data": [\n{"text": "a"},\n', JsonLayout(form="object")),
        ('{"text": "' + "a" * 999, JsonLayout(form="object")),
        ('[{"text": "a"},\n{"text": "b', ARRAY),
    ],
)
def test_recognise_json_of_a_file_beyond_its_start_leaves_the_list_to_the_reader(text: str, layout: object) -> None:
    assert recognise(text, whole=False) == layout


def test_recognise_json_of_one_line_beyond_the_start_is_json_even_without_the_name() -> None:
    assert recognise('{"text": "' + "a" * 999, "rows.txt", whole=False) == JsonLayout(form="object")


@pytest.mark.parametrize(
    ("text", "rows", "layout"),
    [
        ('{"a": {"b": [{}]}}', "a.b", JsonLayout(form="object", rows="a.b")),
        ('{\n"text": "a",\n"entities": [{}]\n}', ".", SEQUENCE),
        ('[{"text": "a"}]', "data", ARRAY),  # an array has no list to choose
    ],
)
def test_recognise_json_follows_the_list_that_is_set(text: str, rows: str, layout: object) -> None:
    assert recognise(text, rows=rows) == layout


@pytest.mark.parametrize("text", [NESTED, '{"a": ' + NESTED, '{\n"a":\n' + NESTED])
def test_recognise_json_survives_values_nested_beyond_the_parser(text: str) -> None:
    assert isinstance(recognise(text), JsonLayout | str)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {"x": 1}}, "holds an object with no list of rows; its fields are a; name the list in source.file.rows"),
        ({"a": [1], "b": []}, "holds an object with no list of rows; its fields are a, b; name the list"),
        ({"a": [{}], "b": [{}], "n": 1}, "holds the lists a, b; name one in source.file.rows"),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_recognise_json_refuses_an_object_whose_rows_are_unclear(
    value: dict[str, object], message: str, indent: int | None
) -> None:
    with pytest.raises(AssayError, match=rf"^rows\.json {message}"):
        recognise(json.dumps(value, indent=indent))


def test_no_list_names_the_list_that_is_set_and_a_few_fields() -> None:
    fields = [f"f{number}" for number in range(99)]
    line = str(no_list(Path("rows.json"), fields, "data"))
    assert line.startswith("rows.json holds an object with no list 'data'; its fields are f0, f1, ")
    assert f"f{MOST_NAMES - 1};" in line
    assert f"f{MOST_NAMES}" not in str(several_lists(Path("rows.json"), fields))
