import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from assay import corpus
from assay.cli.command import app
from assay.corpus.documents.remedies import GENERAL, remedy_of
from assay.corpus.returned_remedies import AGAIN, correction_remedy

CORPUS = Path(str(corpus.__path__[0]))
RETURNED = ("decisions", "returned_annotations", "returned_decisions", "returned_labels", "returned_parts")


def _kinds(*, returned: bool) -> Iterator[str]:
    """Yield the kind of each reason in the readers of a source, or of what returns from people.

    A word stands in place of variable parts.
    """
    for path in sorted(CORPUS.rglob("*.py")):
        if returned != (path.stem in RETURNED):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                position = {"UnreadableError": 0, "InvalidRow": 1}.get(node.func.id)
                if position is not None and position < len(node.args):
                    yield from _texts(node.args[position])
            elif isinstance(node, ast.Return) and path.name == "entity_spans.py" and isinstance(node.value, ast.Tuple):
                yield from (text for text in _texts(node.value.elts[0]) if text.startswith("entity "))


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "missing" for part in node.values)


KINDS = sorted(set(_kinds(returned=False)))


def test_remedy_of_covers_the_kinds_of_reasons() -> None:
    assert len(KINDS) > 25
    assert {"entity is not in the text", "entity stands only inside a longer word", "not valid UTF-8"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_remedy_of_is_specific_for_each_reason_of_the_readers(kind: str) -> None:
    assert remedy_of(f"{kind}: 3: a") != GENERAL


@pytest.mark.parametrize("kind", sorted(set(_kinds(returned=True))))
def test_correction_remedy_is_specific_for_each_reason_of_what_returns(kind: str) -> None:
    assert correction_remedy(f"{kind}: 3: a") != AGAIN


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("entity.start is not a whole number: 0.5", "source.entity.start"),
        ("entity lies outside the text: 0:9 in 3 characters", "end_inclusive"),
        ("entity is empty: 0:0", "correct its start and end"),
        ("entity ends before it begins: 5:2", "correct its start and end"),
        ("_id is missing", "source.fields.id"),
        ("headline is null", "source.fields"),
        ("a quotation mark is not closed: it opens in line 3", "source.file.quotes: false"),
        ('text follows a closing quotation mark: "x" olive (the cell opens in line 3)', 'write ""'),
        ("a quotation mark is escaped by a backslash: in a cell that opens in line 3", 'write ""'),
    ],
)
def test_remedy_of_names_the_setting(reason: str, part: str) -> None:
    assert part in remedy_of(reason)


def _options(command: Any) -> set[str]:
    """Return the options of a command and of the commands below it."""
    own = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return own.union(*map(_options, getattr(command, "commands", {}).values()))


def test_remedies_name_options_of_the_commands() -> None:
    commands = typer.main.get_command(app)
    source = (CORPUS / "documents" / "remedies.py").read_text(encoding="utf-8")
    text = "; ".join(str(node.value) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    of_init = {option for part in re.findall(r"assay init: ([^)]*)", text) for option in re.findall(r"--[\w-]+", part)}
    assert {"--label", "--entities"} <= of_init <= _options(commands.commands["init"])  # type: ignore[attr-defined]
    assert set(re.findall(r"--[a-z][\w-]*", text)) <= _options(commands)
