"""The layout of a JSON file from its first lines: objects line by line, one array, or one object with a list."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.corpus.documents.annotators.recognised import recognised_format
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import JsonLayout

ITSELF = "."  # in place of the name of a list: the object is a row
MOST_LINES = 20
MOST_NAMES = 8
LINES = "jsonl"
# What may follow the bracket of an array in JSON; a token "[" of a CoNLL file is followed by its tag.
ARRAY = re.compile(r'\[\s*([\[{"\]\-0-9]|true|false|null|$)')


def recognise_json(path: Path, text: str, rows: str | None, *, whole: bool) -> JsonLayout | str | None:
    """Return `LINES` for JSON lines, the layout of any other JSON, and None for text that is no JSON.

    Args:
        path: the file, whose name decides what the content leaves open: whether a single object is a row.
        text: whole lines from the start of the file.
        rows: the list of rows that the user has set.
        whole: whether the text is the whole file.

    Raises:
        AssayError: the text is one object with several lists of rows, or none.
    """
    name = path.name.lower().removesuffix(".gz")
    start = text.lstrip()
    lines = [line for line in text.split("\n") if line.strip()][:MOST_LINES]
    values = [value for line in lines if (value := _parse(line)) is not None]
    if not start.startswith("{") and not ARRAY.match(start):
        return LINES if name.endswith(".jsonl") and any(isinstance(value, dict) for value in values) else None
    if rows is not None and not start.startswith("["):
        return JsonLayout(form="sequence") if rows == ITSELF else JsonLayout(form="object", rows=rows)
    first = _parse(lines[0])
    if first is not None:
        return _from_line(path, first, is_json=name.endswith(".json"), alone=len(lines) == 1, several=len(values) > 1)
    is_named_lines, goes_on = name.endswith(".jsonl"), lines[0].rstrip().endswith(("{", "[", ","))
    has_objects = any(isinstance(value, dict) for value in values)
    if is_named_lines and (_are_objects(lines) or (has_objects and not goes_on)):
        return LINES
    if start.startswith("{") and has_objects and not goes_on:
        return LINES
    if start.startswith("["):
        return JsonLayout(form="array")
    return _from_text(path, start, json_name=name.endswith((".json", ".jsonl")), whole=whole)


def no_list(path: Path, names: Sequence[str], rows: str | None = None, nested: Sequence[str] = ()) -> AssayError:
    """Return the error for an object without the list of rows.

    Args:
        path: the file.
        names: fields of the object.
        rows: name of the list that the user has set; None: any list of objects.
        nested: dotted names of lists in these fields.
    """
    problem = f"no list {rows!r}" if rows else "no list of rows"
    if nested:
        lists = f"{nested[0]!r}" if len(nested) == 1 else f"one of {', '.join(nested[:MOST_NAMES])}"
        return AssayError(f"{path} holds an object with {problem} of its own; set source.file.rows to {lists}")
    return AssayError(
        f"{path} holds an object with {problem}; its fields are {', '.join(names[:MOST_NAMES])}; "
        "name the list in source.file.rows, such as data or result.items; write . where the object is a row itself, "
        "and columns row by row (pandas: to_json(orient='records'))"
    )


def several_lists(path: Path, names: Sequence[str]) -> AssayError:
    """Return the error for an object with several lists of rows."""
    return AssayError(f"{path} holds the lists {', '.join(names[:MOST_NAMES])}; name one in source.file.rows")


def _list_of_rows(path: Path, value: Mapping[str, Any]) -> JsonLayout:
    """Return the layout of an object with one list of rows; a document of an annotation tool is a row itself.

    Raises:
        AssayError: it has none, or several.
    """
    if recognised_format([value]) is not None:
        return JsonLayout(form="sequence")
    names = [name for name, item in value.items() if isinstance(item, list) and _are_rows(item)]
    names = names or [inner for name, item in value.items() for inner in nested_lists(name, item)]
    if not names:
        raise no_list(path, list(value))
    if len(names) > 1:
        raise several_lists(path, names)
    return JsonLayout(form="object", rows=names[0])


def nested_lists(name: str, value: Any) -> list[str]:
    """Return the dotted names of the lists of rows in a field."""
    members = value.items() if isinstance(value, dict) else ()
    return [f"{name}.{inner}" for inner, items in members if isinstance(items, list) and _are_rows(items)]


def _are_rows(items: Sequence[Any]) -> bool:
    """Return whether a list holds rows; the first of them shows it."""
    return is_row(next((item for item in items if item is not None), None))


def is_row(value: Any) -> bool:
    """Return whether a value is an object, or a text paired with one."""
    return isinstance(value, dict) or is_pair(value)


def is_pair(value: Any) -> bool:
    """Return whether a value is a text with its annotations, as spaCy pairs them."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def _from_line(path: Path, first: Any, *, is_json: bool, alone: bool, several: bool) -> JsonLayout | str:
    """Return the layout of a file whose first line is a whole JSON value."""
    if isinstance(first, list):
        is_row = first and not isinstance(first[0], dict | list)
        return LINES if is_row or (several and not alone) else JsonLayout(form="array")
    is_container = is_json and alone and any(isinstance(item, list | dict) for item in first.values())
    return _list_of_rows(path, first) if is_container else LINES


def _from_text(path: Path, text: str, *, json_name: bool, whole: bool) -> JsonLayout | str | None:
    """Return the layout of a file that begins with an object of several lines, or of one that exceeds the text."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        if "\n" not in text.strip() and whole:
            return LINES if json_name else None
        return JsonLayout(form="object") if json_name or re.match(r'\{\s*"', text) else None
    if text[end:].lstrip().startswith("{"):
        return JsonLayout(form="sequence")
    return _list_of_rows(path, value)


def _are_objects(lines: Sequence[str]) -> bool:
    return all(line.startswith("{") for line in lines)


def _parse(line: str) -> Any:
    """Return the value of a line; None if it is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
