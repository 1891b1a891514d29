import json
import re
from pathlib import Path

import pytest

from assay.cli.exit_codes import MEANINGS
from assay.cli.json_outputs import JSON_OUTPUTS
from assay.recipes.known_keys import known_keys
from assay.recipes.recipe import Recipe
from tools import reference


def rows_of(page: str) -> dict[str, list[str]]:
    """The cells of each row of the page, by section and key."""
    rows, section = {}, ""
    for line in page.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## `").partition("`")[0]
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            rows[f"{section}.{cells[0].strip('`')}".lstrip(".")] = cells
    return rows


def test_recipe_page_describes_every_key_with_type_default_and_meaning() -> None:
    rows = rows_of(reference.recipe_page())
    # a mapping by head is one section, whatever the head
    of_head = re.compile(r"^(decision|gate\.min_precision_at)\.(sentence|labels|tokens)\.")
    known = {of_head.sub(r"\1.", key) for key in known_keys(Recipe)}
    assert known == set(rows)
    assert all(len(cells) == 4 and all(cells) for cells in rows.values())


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("name", "string", "**required**"),
        ("training.epochs", "number > 0, ≤ 10000", "by model"),
        ("training.early_stopping", "integer ≥ 1, ≤ 10000 or None", "None"),
        ("training.precision", "`auto` or `fp32` or `bf16`", "`auto`"),
        ("gate.min_f1", "mapping of number > 0, ≤ 1", "**required**"),
        ("gate.slices", "section", "see below"),
        ("model.heads", "list of `sentence` or `labels` or `tokens` at least 1, at most 3", "**required**"),
        ("source.label_map", "mapping of string", "empty"),
        ("model.lora", "section or None", "None"),
    ],
)
def test_recipe_page_writes_types_and_defaults_in_words(key: str, kind: str, default: str) -> None:
    _, shown, value, _ = rows_of(reference.recipe_page())[key]
    assert shown.startswith(kind.partition(" at least")[0])
    assert value == default


def test_recipe_page_has_one_section_per_kind_of_source() -> None:
    page = reference.recipe_page()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert {f"## `source`, kind {kind}" for kind in ("mongo", "hub", "files")} <= set(headings)
    assert len(headings) == len(set(headings))


def test_recipe_page_shows_type_limits_default_and_meaning_of_a_key() -> None:
    lines = reference.recipe_page().splitlines()
    assert "## `gate.champion`" in lines
    assert "## `source`, kind mongo" in lines
    [margin] = [line for line in lines if line.startswith("| `margin`")]
    assert margin.startswith("| `margin` | number ≥ 0, < 1 | `0.01` | Non-inferiority margin:")
    [database] = [line for line in lines if line.startswith("| `database`")]
    assert "**required**" in database


def test_commands_page_holds_every_command() -> None:
    page = reference.commands_page()
    for command in ("run", "serve", "predict", "validate", "doctor"):
        assert f"## `assay {command}`" in page
    assert page.startswith("# Commands\n")


def test_json_page_holds_a_schema_per_command() -> None:
    page = reference.json_page()
    schemas = [json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)]
    assert len(schemas) == len(JSON_OUTPUTS)
    assert all(f"## assay {command} --json" in page for command in JSON_OUTPUTS)


def test_exit_codes_page_holds_each_code_with_its_meaning() -> None:
    rows = [line for line in reference.exit_codes_page().splitlines() if re.match(r"\| \d", line)]
    assert rows == [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]


def test_main_writes_the_pages_that_are_in_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = reference.PAGES
    monkeypatch.setattr(reference, "PAGES", tmp_path)
    reference.main()
    pages = sorted(path.name for path in tmp_path.iterdir())
    assert pages == ["commands.md", "exit-codes.md", "json.md", "recipe.md"]
    for name in pages:
        same = (tmp_path / name).read_bytes() == (written / name).read_bytes()
        assert same, f"docs/reference/{name} is out of date; run make docs"
