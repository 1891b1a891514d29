"""The check of a text before prediction, the same for files and for requests."""

from typing import Any

# Far beyond what any model here reads; a longer "text" is a broken export.
MAX_CHARACTERS = 100_000


def text_fault(value: Any, field: str) -> str | None:
    """Return why the text of a row is invalid and the remedy; None if it is valid."""
    if isinstance(value, str):
        if not value or value.isspace():
            return f"{field} is blank; fill it, or leave the row out"
        if len(value) > MAX_CHARACTERS:
            return f"{field} has {len(value)} characters, more than {MAX_CHARACTERS}; shorten or split it"
        return None
    return f"{field} is missing; add it" if value is None else f"{field} is {value!r:.80}, not a text; give a string"
