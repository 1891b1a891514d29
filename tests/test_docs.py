"""Commands, links and code of the documentation and of the recipe headers are valid."""

import ast
import importlib
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from assay import cli
from assay.recipes.loader import SHIPPED, load_recipe, parse_recipe

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
RECIPES = sorted(SHIPPED.glob("*.yaml"))


def shell(path: Path) -> str:
    """Return the sh blocks of a page."""
    return "".join(re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL))


def commands(path: Path) -> list[list[str]]:
    """Return the `assay` commands of a page's sh blocks, or of a recipe's header, as words."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        lines = shell(path)
    else:
        lines = re.sub(r"^#", "", "".join(re.findall(r"\A(?:#.*\n)*", text)), flags=re.MULTILINE)
    whole = lines.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in whole if re.match(r"\s*(\w+=\S+ )?assay ", line)]
    return [line[line.index("assay") + 1 :] for line in words]


def overrides(words: list[str], folder: Path) -> Iterator[str]:
    """Yield the value of each `--set`, with an existing folder instead of FOLDER."""
    for option, value in itertools.pairwise(words):
        if option == "--set":
            yield value.replace("FOLDER", str(folder))


@pytest.mark.parametrize("path", [*PAGES, *RECIPES], ids=lambda path: path.name)
def test_commands_of_pages_have_valid_options_and_keys(path: Path, tmp_path: Path) -> None:
    for words in commands(path):
        shown = CliRunner().invoke(cli.app, [words[0], "--help"]).output
        for option in (word for word in words if word.startswith("--")):
            assert option in shown, f"assay {words[0]} has no {option}"
        if words[0] in ("run", "validate", "bio") and (SHIPPED / f"{words[1]}.yaml").exists():
            load_recipe(words[1], list(overrides(words, tmp_path)))


def test_recipe_pages_and_headers_contain_their_run_command() -> None:
    for path in [*(ROOT / "docs" / "recipes").glob("*.md"), *RECIPES]:
        assert any(words[:2] == ["run", path.stem] for words in commands(path)), path.name


def test_links_and_images_of_pages_exist() -> None:
    for path in PAGES:
        # Output and schemas may mark entities as [Acme](ORG).
        text = re.sub(r"```(?:text|json)\n.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) + re.findall(r'src(?:set)?="([^"]+)"', text)
        for target in targets:
            assert target.startswith("http") or (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "howto").glob("*.md")), ids=lambda path: path.name)
def test_recipes_of_howto_pages_are_valid(path: Path) -> None:
    for text in re.findall(r"```yaml\n(name: .*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        recipe = parse_recipe(yaml.safe_load(text), path.name)
        assert f"{recipe.name}.yaml" in path.read_text(encoding="utf-8")


def test_make_targets_of_pages_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in PAGES:
        for target in re.findall(r"^make ([a-z-]+)", shell(path), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{path.name}: make {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_python_of_pages_imports_existing_names(path: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{path.name}: {node.module}.{alias.name}"


def test_messages_name_no_page_of_a_checkout() -> None:
    # A wheel has no docs/: messages and help name a page by its title.
    packages = [path.resolve() for path in (ROOT / "assay").iterdir() if path.is_dir()]
    files = [file for package in packages for file in package.rglob("*.py")]
    assert len(files) > 100
    for file in files:
        for node in messages(file):
            assert not re.search(r"\bdocs/\S*\.md", str(node.value)), f"{file}:{node.lineno}: {node.value!r}"


def messages(file: Path) -> Iterator[ast.Constant]:
    """Yield the texts of a module without its docstrings; those of cli/ are the help of commands, and count."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docstrings = set() if file.is_relative_to(ROOT / "cli") else {id(text) for text in statements(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def statements(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that are statements by themselves, as docstrings are."""
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
