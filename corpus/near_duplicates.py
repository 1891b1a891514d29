"""Near-duplicates: texts that are equal to a model apart from case, URLs, digits and white space."""

import re
import sys
import unicodedata
from functools import cache

# Raise it with every change to the result of `normalise`: ledgers store hashes of it.
VERSION = 2

_URL = re.compile(r"(?:https?://|www\.)\S+")
_DIGITS = re.compile(r"\d+")
_LETTER = re.compile(r"[^\W\d_]")
# Unicode calls them ignorable, but in a category other than Cf: joiner, fillers, variation selectors.
_IGNORABLE = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"


def normalise(text: str) -> str:
    """Return a cleaned text without the differences between near-duplicates.

    Compatible characters become one (NFKC), and format characters are removed. A text of digits and URLs alone is
    folded in case and white space only, since two such texts have nothing in common.
    """
    folded = _fold(text)
    bare = _URL.sub(" ", folded) if "://" in folded or "www." in folded else folded
    bare = _DIGITS.sub("0", bare)
    return " ".join((bare if _LETTER.search(bare) else folded).split())


def _fold(text: str) -> str:
    """Fold case, compose compatible characters and remove format characters."""
    if text.isascii():
        return text.casefold()
    # Remove format characters first, since they may be between a letter and its accent; folding may decompose letters.
    composed = unicodedata.normalize("NFKC", _invisible().sub("", text))
    return unicodedata.normalize("NFKC", composed.casefold())


@cache
def _invisible() -> re.Pattern[str]:
    """Return the pattern of invisible characters; built once, since it looks up the category of every character."""
    formats = (char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) == "Cf")
    return re.compile(f"[{''.join(map(re.escape, formats))}{_IGNORABLE}]+")
