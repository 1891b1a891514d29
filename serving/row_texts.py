"""Which texts are answered; the same for files and for requests."""

from typing import Any

# Far beyond what any model here reads; a longer "text" is a broken export.
MAX_CHARACTERS = 100_000


def text_fault(value: Any, field: str) -> str | None:
    """Why the text of a row cannot be answered; None if it can."""
    if isinstance(value, str):
        if not value or value.isspace():
            return f"{field} is blank"
        if len(value) > MAX_CHARACTERS:
            return f"{field} has {len(value)} characters, more than {MAX_CHARACTERS}"
        return None
    return f"{field} is missing" if value is None else f"{field} is {value!r:.80}, not a text"
