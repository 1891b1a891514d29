"""The reference pages of the docs, every key of a recipe and every command: `python -m tools.reference`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

from assay.recipes.recipe import Recipe

PAGES = Path(__file__).parents[1] / "docs" / "reference"
RECIPE_HEAD = """# The keys of a recipe

<!-- Written by `make docs` from the schema (recipes/recipe.py): change the descriptions there. -->

A recipe is a YAML file; `assay validate RECIPE` checks it. An unknown key is an error that names the nearest right one.
Keys without a default have to be given. `--set KEY=VALUE` takes the dotted names of this page.
"""
COMMANDS_HEAD = """# Commands

<!-- Written by `make docs` from the commands themselves (cli/): change their docstrings. -->

"""
LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minProperties": "at least {}",
    "pattern": "matches `{}`",
}
Schema = dict[str, Any]


def recipe_page() -> str:
    """The page of the recipe's keys, from the JSON schema that pydantic makes of it."""
    whole = Recipe.model_json_schema()
    return "\n".join([RECIPE_HEAD, *_section("", whole, whole["$defs"], set())]).rstrip() + "\n"


def commands_page() -> str:
    """The page of the commands, as typer itself writes it."""
    from assay.cli.command import app  # the commands, which import this package

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="assay", title="assay")
    return COMMANDS_HEAD + text.partition("\n\n")[2].rstrip() + "\n"


def main() -> None:
    """Write both pages."""
    (PAGES / "recipe.md").write_text(recipe_page(), encoding="utf-8")
    (PAGES / "commands.md").write_text(commands_page(), encoding="utf-8")


def _section(path: str, section: Schema, defs: dict[str, Schema], done: set[str]) -> Iterator[str]:
    """Heading, description and table of one object's keys, then the sections below it that were not written yet."""
    if path:
        yield f"## {_heading(path, section)}\n"
    if section.get("description"):
        yield section["description"] + "\n"
    below: list[tuple[str, Schema]] = []
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for key, value in section["properties"].items():
        sections = list(_objects(value, defs))
        below += [(f"{path}.{key}" if path else key, one) for one in sections]
        default = _default(key, value, section.get("required", ()), bool(sections))
        meaning = value.get("description") or " Or: ".join(one.get("description", "") for one in sections)
        yield f"| `{key}` | {_type(value, defs)} | {default} | {_cell(meaning)} |"
    yield ""
    for name, one in below:
        if (heading := _heading(name, one)) not in done:
            done.add(heading)
            yield from _section(name, one, defs, done)


def _objects(value: Schema, defs: dict[str, Schema]) -> Iterator[Schema]:
    """The closed objects that a key may hold, itself or as the values of a mapping."""
    for part in _parts(value):
        inner = part.get("additionalProperties")
        for one in (part, *(_parts(inner) if isinstance(inner, dict) else ())):
            found = defs[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
            if "properties" in found:
                yield found


def _heading(path: str, section: Schema) -> str:
    """The name of a section; what may be one of several says by which kind."""
    kind = section["properties"].get("kind", {}).get("const")
    return f"`{path}`, kind {kind}" if kind else f"`{path}`"


def _parts(value: Schema) -> list[Schema]:
    """What a key may hold: one thing, or one of several."""
    parts: list[Schema] = value.get("anyOf") or value.get("oneOf") or [value]
    return parts


def _type(value: Schema, defs: dict[str, Schema]) -> str:
    """The type of a key in words, with its limits."""
    return " or ".join(dict.fromkeys(_one_type(part, defs) for part in _parts(value)))


def _one_type(part: Schema, defs: dict[str, Schema]) -> str:
    if "$ref" in part:
        return _type(defs[part["$ref"].rpartition("/")[2]], defs)
    if "const" in part:
        return _code(part["const"])
    if "enum" in part:
        return " or ".join(map(_code, part["enum"]))
    words = {"null": "none", "object": "section" if "properties" in part else "mapping", "array": "list"}
    limits = ", ".join(words.format(part[name]) for name, words in LIMITS.items() if name in part)
    kind = str(part.get("type", "any"))
    word = words.get(kind, kind)
    if isinstance(inner := part.get("items") or part.get("additionalProperties"), dict):
        word += f" of {_type(inner, defs)}"
    return _cell(f"{word} {limits}".strip())


def _default(key: str, value: Schema, required: list[str], is_section: bool) -> str:
    if key in required:
        return "**required**"
    if "default" not in value:
        return "see below" if is_section else "by model" if key in ("epochs", "learning_rate") else "empty"
    if is_section and value["default"] is not None:
        return "see below"
    return "none" if value["default"] is None else _code(value["default"])


def _code(value: object) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    """Text for a cell of a table: one line, and no bar that would end the cell."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
