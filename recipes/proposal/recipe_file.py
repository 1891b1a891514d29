"""The proposed recipe as a YAML file, with a comment beside each key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

COMMENT_COLUMN = 46
WIDTH = 118


@dataclass(frozen=True)
class Line:
    """A key with its value and a comment; `children` instead of a value make a section."""

    key: str
    value: Any = None
    comment: str = ""
    children: tuple["Line", ...] = ()


def recipe_text(head: Sequence[str], lines: Sequence[Line]) -> str:
    """Return the file: the head as comments, then the sections, each after a blank line."""
    blocks = ["\n".join(f"# {line}".rstrip() for line in head)]
    return "\n\n".join([*blocks, *("\n".join(_written(line)) for line in lines)]) + "\n"


def values_of(lines: Sequence[Line]) -> dict[str, Any]:
    """Return the keys and values that the file holds."""
    return {line.key: values_of(line.children) if line.children else line.value for line in lines}


def _written(line: Line, indent: str = "") -> list[str]:
    key = _flow(line.key)
    if line.children:
        return [_with_comment(f"{indent}{key}:", line.comment)] + [
            text for child in line.children for text in _written(child, indent + "  ")
        ]
    if isinstance(line.value, Mapping) and len(f"{indent}{key}: {_flow(line.value)}") > WIDTH - len(line.comment):
        members = tuple(Line(name, value) for name, value in line.value.items())
        return _written(Line(line.key, comment=line.comment, children=members), indent)
    return [_with_comment(f"{indent}{key}: {_flow(line.value)}", line.comment)]


def _with_comment(text: str, comment: str) -> str:
    return f"{text.ljust(COMMENT_COLUMN)}  # {comment}" if comment else text


def _flow(value: Any) -> str:
    """Return a value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
