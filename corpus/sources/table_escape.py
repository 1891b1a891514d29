"""The character before quotation marks, separators and line ends that are part of a text, such as the backslash.

Before any other character, it is a character of the text: Spark writes no second backslash outside of quotation marks,
and the csv module would drop it. MySQL writes null as a cell of the escape character and N.
"""

import re
from functools import cache

from assay.corpus.sources.table_quotes import LINE_ENDS, QUOTE

# Stands for an escaped character and for what escapes it, so that neither closes a cell or begins another.
_MASK = "\x1f"


def masked(text: str, escape: str | None, separator: str) -> str:
    """Return a text of the same length without the characters that are escaped; without an escape, the text itself."""
    if escape is None or escape not in text:
        return text
    return _escaped(escape, separator).sub(_MASK * 2, text)


def for_csv_module(line: str, escape: str, separator: str) -> str:
    """Return a line of a table as the csv module has to read it: the escape alone is doubled, and null is empty."""
    return _tokens(escape, separator).sub(_written, line) if escape in line else line


def _written(match: re.Match[str]) -> str:
    if match["pair"]:
        return match["pair"]
    return match["alone"] * 2 if match["alone"] else match["before"]


@cache
def _escaped(escape: str, separator: str) -> re.Pattern[str]:
    return re.compile(f"{re.escape(escape)}[{re.escape(escape + QUOTE + separator + LINE_ENDS)}]")


@cache
def _tokens(escape: str, separator: str) -> re.Pattern[str]:
    """Return a pattern of what an escape begins, from left to right, so that an escaped escape begins nothing."""
    null = f"(?P<before>^|{re.escape(separator)}){re.escape(escape)}N(?=[{re.escape(separator + LINE_ENDS)}]|$)"
    return re.compile(f"(?P<pair>{_escaped(escape, separator).pattern})|{null}|(?P<alone>{re.escape(escape)})")
