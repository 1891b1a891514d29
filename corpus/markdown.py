"""Values in Markdown: one escaping for every page, so that text of the data stays text."""

import re

# What opens code, emphasis, links, images, mathematics or the next cell.
_SPECIAL = re.compile(r"[\\`*_\[\]|~$]")
# Addresses that renderers turn into links by themselves.
_ADDRESS = re.compile(r"(?<=\w)(:(?=//)|@)|(?<=mailto)(:)|(?<=www)(\.)", re.IGNORECASE)
# What opens a heading, a list, a quote or a rule where the value begins a line.
_LEADING = re.compile(r"^[#+\-=:]")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def cell(value: object) -> str:
    """Return a value as one line of Markdown, for a table cell or running text: nothing in it is read as markup."""
    text = _CONTROL.sub("\ufffd", " ".join(str(value).split()))
    text = _ADDRESS.sub(r"\\\g<0>", _SPECIAL.sub(r"\\\g<0>", text))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _NUMBERED.sub(r"\1\\\2", _LEADING.sub(r"\\\g<0>", text))


def row(*values: object) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(map(cell, values))} |"
