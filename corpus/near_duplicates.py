"""Near-duplicates: texts that are the same but for case, URLs, digits and white space."""

import re

_URL = re.compile(r"(?:https?://|www\.)\S+")
_DIGITS = re.compile(r"\d+")
_LETTER = re.compile(r"[^\W\d_]")


def normalise(text: str) -> str:
    """The text without what does not tell near-duplicates apart.

    A text that holds nothing else (a bare URL, a number) is only folded in case and white space: two of
    those have nothing in common.
    """
    folded = text.casefold()
    bare = _URL.sub(" ", folded) if "://" in folded or "www." in folded else folded
    bare = _DIGITS.sub("0", bare)
    return " ".join((bare if _LETTER.search(bare) else folded).split())
