"""The check of a row before prediction, the same for files, requests, MLflow and the engine."""

from typing import Any

from assay.corpus.documents.values import MAX_TEXT_LENGTH

# Of files and requests. Far beyond what any model here reads; a longer "text" is a broken export.
MAX_CHARACTERS = 100_000


def text_fault(value: Any, field: str, most: int = MAX_CHARACTERS) -> str | None:
    """Return why the text of a row is invalid and the remedy; None if it is valid.

    Args:
        value: the text.
        field: its name, for the message.
        most: maximum number of characters.
    """
    if isinstance(value, str):
        if not value or value.isspace():
            return f"{field} is blank; fill it, or leave the row out"
        if len(value) > most:
            return f"{field} has {len(value)} characters, more than {most}; shorten or split it"
        return None
    return f"{field} is missing; add it" if value is None else f"{field} is {value!r:.80}, not a text; give a string"


def row_fault(text: Any, text_pair: Any, *, pair: bool, most: int = MAX_TEXT_LENGTH) -> str | None:
    """Return why a model cannot read a row and the remedy; None if it can.

    Args:
        text: the text.
        text_pair: the second text; None if there is none.
        pair: whether the model reads pairs.
        most: maximum number of characters of a text; the default is that of a snapshot, whose rows are predicted, too.
    """
    if fault := text_fault(text, "text", most):
        return fault
    if pair:
        return text_fault(text_pair, "text_pair", most)
    if text_pair is None:
        return None
    return f"text_pair is {text_pair!r:.40}, but this model reads one text; leave it out"
