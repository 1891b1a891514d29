import typing

import pytest
from pydantic import ValidationError

from assay.corpus.sources.file_description import (
    NAMES,
    ConllLayout,
    FileDescription,
    JsonLayout,
    Kind,
    TableLayout,
)

TABLE = TableLayout(separator=";", columns=("text", "label"))
CONLL = ConllLayout(width=3, columns={"tokens": 0, "tags": 2}, tabs=False)


def kinds() -> list[str]:
    return [name for part in typing.get_args(Kind) for name in (typing.get_args(part) or [part])]


def test_file_description_has_a_name_for_every_kind() -> None:
    # The layout of a JSON file names its kind.
    assert set(kinds()) - {"json"} == set(NAMES)


@pytest.mark.parametrize(
    ("description", "line"),
    [
        (FileDescription(kind="jsonl"), "JSON lines"),
        (FileDescription(kind="jsonl", packed=True, notes=("empty",)), "JSON lines, gzip, empty"),
        (FileDescription(kind="parquet"), "Parquet"),
        (FileDescription(kind="excel", sheet="Sheet 1"), "Excel, sheet 'Sheet 1'"),
        (FileDescription(kind="excel", columns={"text": 1}), "Excel, no line of names"),
        (
            FileDescription(kind="table", table=TableLayout(separator=",", header=False, columns=("text", "2"))),
            "CSV, separator ',', no line of names",
        ),
        (FileDescription(kind="table", table=TABLE), "CSV, separator ';'"),
        (FileDescription(kind="table", table=TABLE.model_copy(update={"separator": "\t"})), "TSV, separator tab"),
        (FileDescription(kind="table", table=TableLayout(separator=",", columns=("text",))), "CSV, one column"),
        (
            FileDescription(
                kind="table", table=TABLE.model_copy(update={"quotes": False, "decimal_columns": ("n",)}), packed=True
            ),
            "CSV, separator ';', no quotes, decimal comma, gzip",
        ),
        (FileDescription(kind="conll", conll=CONLL), "CoNLL, tokens in column 1, tags in column 3 of 3"),
        (
            FileDescription(kind="conll", conll=CONLL.model_copy(update={"documents": True})),
            "CoNLL, tokens in column 1, tags in column 3 of 3, groups by -DOCSTART-",
        ),
        (FileDescription(kind="json", json_layout=JsonLayout(form="array")), "JSON array"),
        (FileDescription(kind="json", json_layout=JsonLayout(form="object")), "JSON, one list of its object"),
        (FileDescription(kind="json", json_layout=JsonLayout(form="object", rows="a.b")), "JSON, the list 'a.b'"),
        (
            FileDescription(kind="json", json_layout=JsonLayout(form="sequence")),
            "JSON objects, several lines each",
        ),
    ],
)
def test_file_description_is_one_line_for_people(description: FileDescription, line: str) -> None:
    assert str(description) == line


@pytest.mark.parametrize(
    ("encoding", "is_set", "line"),
    [
        ("utf-8", False, "JSON lines"),
        ("utf-8", True, "JSON lines, UTF-8 (set)"),
        ("utf-16", False, "JSON lines, UTF-16"),
        ("latin-1", True, "JSON lines, Latin-1 (set)"),
        ("windows-1252", True, "JSON lines, Windows-1252 (set)"),
        ("shift_jis", True, "JSON lines, shift_jis (set)"),
    ],
)
def test_file_description_names_an_encoding_other_than_utf_8(encoding: str, is_set: bool, line: str) -> None:
    assert str(FileDescription(kind="jsonl", encoding=encoding, encoding_is_set=is_set)) == line


def test_file_description_knows_which_kinds_hold_words_with_tags() -> None:
    assert [name for name in kinds() if FileDescription.model_validate({"kind": name}).has_tokens] == [
        "conll",
        "jointbert",
    ]


def test_file_description_survives_its_json_and_cannot_be_changed() -> None:
    description = FileDescription(kind="table", table=TABLE, notes=("not what its name says",))
    assert FileDescription.model_validate_json(description.model_dump_json()) == description
    with pytest.raises(ValidationError):
        description.packed = True  # type: ignore[misc]  # it is frozen
