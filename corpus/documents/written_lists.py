"""Lists that a cell of a table holds as text: in JSON, as Python prints lists, or as numpy prints arrays."""

import ast
import json
import re
from typing import Any

from assay.corpus.documents.values import MAX_TEXT_LENGTH, MISSING, UnreadableError

# Entities hold objects, and some of these hold lists of offsets.
MAX_DEPTH = 8
# A text in quotation marks, with the u of Python 2; a scalar of numpy such as np.str_('EU'); a number or name; a sign.
_TEXT = r"""[uU]?(?:'(?:[^'\\]++|\\.)*+'|"(?:[^"\\]++|\\.)*+\")"""
_PART = re.compile(rf"np\.\w+\((?P<scalar>{_TEXT}|[-+.\w]+)\)|{_TEXT}|[-+]?[.\w][-+.\w]*|\S", re.DOTALL)
_OPENING, _CLOSING, _BETWEEN = "[({", "])}", ",:"
# What numpy writes in place of most values of a long array.
SHORTENED = "..."


def written_list(text: str) -> Any:
    """Return the list that a text holds, or the object of lists; None if it holds neither.

    Tuples become lists. A text longer than `MAX_TEXT_LENGTH`, or nested deeper than `MAX_DEPTH`, holds none.
    """
    text = text.strip()
    if not text.startswith(("[", "{")) or not text.endswith(("]", "}")) or len(text) > MAX_TEXT_LENGTH:
        return None
    for parse in (json.loads, _python_value):
        try:
            return _with_lists(parse(text))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def list_of(value: Any, name: str) -> list[Any]:
    """Return a list, or the list that a text holds.

    Args:
        value: the value in the source.
        name: name of the field, for the reason.

    Raises:
        UnreadableError: missing, null, empty or no list.
    """
    if value is MISSING or value is None:
        raise UnreadableError(f"{name} is {'missing' if value is MISSING else 'null'}")
    items = list_in_cell(value, name) if isinstance(value, str) else value
    if not isinstance(items, list):
        raise UnreadableError(f"{name} is not a list", value)
    return items


def list_in_cell(text: str, name: str) -> Any:
    """Return what `written_list` finds in a cell.

    Raises:
        UnreadableError: the cell is empty, or holds a part of a list alone.
    """
    items = written_list(text)
    if items is None and not text.strip():
        raise UnreadableError(f"{name} is empty")
    if items is None and text.lstrip().startswith("[") and SHORTENED in (part[0] for part in _PART.finditer(text)):
        raise UnreadableError(f"{name} is a shortened list", text)
    return items


def _python_value(text: str) -> Any:
    """Return the list or object that Python or numpy prints; between the values of an array stand blanks.

    Raises:
        ValueError: there is nothing between two values; Python would join two texts.
        SyntaxError: it is no list.
    """
    parts: list[str] = []
    end = 0
    for match in _PART.finditer(text):
        part = match["scalar"] or match[0]
        if parts and parts[-1] not in _OPENING + _BETWEEN and part not in _CLOSING + _BETWEEN:
            if match.start() == end:
                raise ValueError
            parts.append(",")
        parts.append(part)
        end = match.end()
    value = ast.literal_eval("".join(parts))
    if not isinstance(value, list | dict):
        raise ValueError
    return value


def _with_lists(value: Any, depth: int = 0) -> Any:
    """Return a value with lists in place of tuples.

    Raises:
        ValueError: it is nested too deeply, or holds what JSON cannot.
    """
    if depth > MAX_DEPTH:
        raise ValueError
    if isinstance(value, list | tuple):
        return [_with_lists(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(key): _with_lists(item, depth + 1) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError  # bytes, sets, complex numbers, and the dots of a shortened array
