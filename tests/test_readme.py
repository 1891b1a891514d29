"""Recipe, commands and links of the README and of the shipped recipes are valid."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from assay import cli
from assay.recipes.loader import SHIPPED, load_recipe, parse_recipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_readme_recipe_is_valid() -> None:
    [text] = blocks("yaml")
    assert parse_recipe(yaml.safe_load(text), "README").name == "my-news"


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_shipped_recipes_load_and_show_their_run_command(name: str) -> None:
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    assert load_recipe(name).name == name
    assert f"assay run {name}" in "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))


def test_readme_commands_exist_with_their_options() -> None:
    commands = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines() if line]
    assay_commands = [words for words in commands if words[0] == "assay"]
    assert {words[1] for words in assay_commands} == {
        "init",
        "run",
        "serve",
        "validate",
        "predict",
        "models",
        "history",
        "ui",
        "labels",
        "doctor",
    }
    for words in assay_commands:
        command = words[1:3] if words[1] == "labels" else words[1:2]
        shown = CliRunner().invoke(cli.app, [*command, "--help"]).output
        for option in (word for word in words if word.startswith("--")):
            assert option in shown, f"assay {' '.join(command)} has no {option}"


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", "\n".join(blocks("sh")), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_readme_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
