"""Values in Markdown: one escape function for all pages, so that text of the data stays text."""

import re

# Characters that open code, emphasis, links, images, mathematics or the next cell.
_SPECIAL = re.compile(r"[\\`*_\[\]|~$]")
# Addresses that renderers turn into links on their own.
_ADDRESS = re.compile(r"(?<=\w)(:(?=//)|@)|(?<=mailto)(:)|(?<=www)(\.)", re.IGNORECASE)
# Characters that open a heading, a list, a quote or a rule at the start of a line.
_LEADING = re.compile(r"^[#+\-=:]")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def cell(value: object) -> str:
    """Return a value as one line of Markdown for a table cell or running text; no part of it renders as markup."""
    text = _CONTROL.sub("\ufffd", " ".join(str(value).split()))
    text = _ADDRESS.sub(r"\\\g<0>", _SPECIAL.sub(r"\\\g<0>", text))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _NUMBERED.sub(r"\1\\\2", _LEADING.sub(r"\\\g<0>", text))


def row(*values: object) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(map(cell, values))} |"
