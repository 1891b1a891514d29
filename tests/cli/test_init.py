import dataclasses
import json
from pathlib import Path

import pytest

from assay.cli.init import _KEY, _settable_keys, _way
from assay.corpus.documents.remedies import _REMEDIES, GENERAL
from assay.corpus.errors import DataError
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.source_settings import MEANING, READING
from tests.cli.calls import call

OPTIONS = ["set", *(one.name for one in dataclasses.fields(Choices) if one.name != "settings")]


def write_news(folder: Path, fields: str = "text,label") -> None:
    rows = [
        f"Acme {('praises', 'mourns')[n % 2]} {chr(97 + n % 26)}{chr(97 + n // 26)},{('good', 'bad')[n % 2]}"
        for n in range(60)
    ]
    (folder / "news.csv").write_text("\n".join([fields, *rows]) + "\n")


def test_init_writes_a_recipe_that_validates_and_says_what_it_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_news(tmp_path)
    assert call(monkeypatch, "init", "news.csv") == 0
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        "all 60 documents: 60 rows",
        "classes: good 30, bad 30",
        "field  holds                   used as",
        "text   texts of 14 characters  text",
        "label  good, bad               class",
        "wrote news.yaml",
        "next: assay validate news.yaml",
        "      assay run news.yaml",
    ]
    assert call(monkeypatch, "validate", "news.yaml") == 0


def test_init_asks_one_question_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"Acme opens plant {chr(97 + n % 26)},{n % 5 + 1},{('a', 'b', 'c')[n % 3]}\n" for n in range(60)]
    (tmp_path / "news.csv").write_text("text,rating,category\n" + "".join(rows))
    assert call(monkeypatch, "init", "news.csv") == 1
    assert capsys.readouterr().err == (
        "assay: 2 fields may hold the class of a row: rating (1, 2, 3, 4, …); category (a, b, c). Which is it? "
        "Add --label rating or category\n"
    )
    assert not (tmp_path / "news.yaml").exists()
    assert call(monkeypatch, "init", "news.csv", "--label", "rating") == 0


def test_init_names_the_fields_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_news(tmp_path)
    assert call(monkeypatch, "init", "news.csv", "--label", "lable") == 1
    assert capsys.readouterr().err == (
        "assay: --label lable: no document has this field; fields are text, label; did you mean 'label'?\n"
    )


def test_init_says_which_column_beside_entities_may_be_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "text": f"Acme opens plant {chr(97 + n % 26)}{n}",
            "tone": ("warm", "cold")[n % 2],
            "entities": [{"start": 0, "end": 4, "label": "ORG"}],
        }
        for n in range(60)
    ]
    (tmp_path / "news.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert call(monkeypatch, "init", "news.jsonl") == 0
    assert "slice (--label tone: class)" in capsys.readouterr().out
    assert call(monkeypatch, "init", "news.jsonl", "--label", "tone", "--overwrite") == 0
    shown = capsys.readouterr().out
    assert "classes: warm 30, cold 30" in shown
    assert "slice" not in shown


def said(line: str) -> str:
    """Return what the command says of an error."""
    with pytest.raises(DataError) as error, _settable_keys():
        raise DataError(line)
    return str(error.value)


@pytest.mark.parametrize("key", [*READING, *MEANING])
def test_settable_keys_says_how_to_set_each_key(key: str) -> None:
    line = f"3 rows cannot be read; set source.{key}"
    assert said(line) == f"{line} (here: --set source.{key}=VALUE)"


@pytest.mark.parametrize("option", OPTIONS)
def test_settable_keys_adds_nothing_where_the_line_names_an_option(option: str) -> None:
    line = f"3 rows cannot be read; name it in source.fields.text (assay init: --{option})"
    assert said(line) == line


@pytest.mark.parametrize(
    ("line", "ways"),
    [
        ("name it in source.fields", "--text FIELD, --label FIELD and so on"),
        ("set source.fields.tags to another", "--entities FIELD"),
        ("see source.fields.tokens and source.fields.tags", "--set source.fields.tokens=FIELD, or --entities FIELD"),
        ("name it in source.parse.label", "--label FIELD"),
        ("set source.parse.repost to a field", "--set source.parse.repost=FIELD"),
        ("read the rows with source.format: rows", "--set source.format=rows"),
        ("set source.entity.ignore_case: true", "--set source.entity.ignore_case=true"),
        (
            "name it in source.fields, or leave such rows out with source.filter",
            "--text FIELD, --label FIELD and so on, or --set source.filter=VALUE",
        ),
    ],
)
def test_settable_keys_names_every_way_to_follow_a_remedy(line: str, ways: str) -> None:
    assert said(line) == f"{line} (here: {ways})"


def test_every_key_that_a_remedy_names_can_be_set() -> None:
    keys = {key for remedy in [GENERAL, *(text for _, text in _REMEDIES)] for key in _KEY.finditer(remedy)}
    without_way = {key[0] for key in keys if _way(key) is None}
    # The section whose keys follow in the same remedy.
    assert without_way == {"source.parse"}


def test_init_takes_the_share_of_rejects_that_its_error_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_news(tmp_path)
    lines = (tmp_path / "news.csv").read_text().splitlines()
    (tmp_path / "news.csv").write_text("\n".join([*lines, *["Acme rests,good,more"] * 10]) + "\n")
    assert call(monkeypatch, "init", "news.csv") == 1
    assert "10 of 70 rows of the sample cannot be read" in capsys.readouterr().err
    assert call(monkeypatch, "init", "news.csv", "--set", "source.max_reject_share=0.2") == 0
    assert call(monkeypatch, "validate", "news.yaml") == 0
