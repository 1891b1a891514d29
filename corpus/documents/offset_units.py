"""Offsets that count units of an encoding in place of characters."""

from typing import Literal

from assay.corpus.documents.values import UnreadableError

_ENCODINGS = {"utf16": ("utf-16-le", 2), "bytes": ("utf-8", 1)}


def to_characters(text: str, offset: int, unit: Literal["utf16", "bytes"]) -> int:
    """Return the offset in characters.

    Raises:
        UnreadableError: the offset is outside the text or inside a character.
    """
    if text.isascii():
        return offset
    encoding, width = _ENCODINGS[unit]
    encoded = text.encode(encoding)
    if not 0 <= offset * width <= len(encoded):
        raise UnreadableError("entity lies outside the text", f"{offset} of {len(encoded) // width} in {unit}")
    try:
        return len(encoded[: offset * width].decode(encoding))
    except UnicodeDecodeError:
        raise UnreadableError("entity begins or ends inside a character", f"offset {offset} in {unit}") from None


def from_characters(text: str, offset: int, unit: Literal["utf16", "bytes"]) -> int:
    """Return an offset in characters as one that counts the unit."""
    encoding, width = _ENCODINGS[unit]
    return offset if text.isascii() else len(text[:offset].encode(encoding)) // width
