"""Cells of a table of tasks that a spreadsheet would evaluate as a formula: they are written as text, and read back."""

import re
from collections.abc import Mapping
from typing import Any

# What OWASP names for CSV injection. An apostrophe before them keeps the cell a text in every spreadsheet.
_FORMULA = "[=+\\-@\t\r\n＝＋－＠]"
APOSTROPHE = "'"
_NEEDS_APOSTROPHE = re.compile(f"{APOSTROPHE}*{_FORMULA}")
_HAS_APOSTROPHE = re.compile(f"{APOSTROPHE}+{_FORMULA}")


def as_text_cell(text: str) -> str:
    """Return a text with an apostrophe before the start of a formula, also where the text has apostrophes there."""
    return APOSTROPHE + text if _NEEDS_APOSTROPHE.match(text) else text


def without_apostrophe(cell: str) -> str:
    """Return the text of which `as_text_cell` made a cell; any other text unchanged."""
    return cell[len(APOSTROPHE) :] if _HAS_APOSTROPHE.match(cell) else cell


def texts_of_cells(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a table of tasks with the texts that its cells were made of."""
    return {name: without_apostrophe(value) if isinstance(value, str) else value for name, value in cells.items()}
