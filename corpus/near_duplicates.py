"""Near-duplicates: texts that a model reads alike, but for case, URLs, digits and white space."""

import re
import sys
import unicodedata
from functools import cache

# Changes with everything that changes the result of `normalise`: ledgers keep hashes of it.
VERSION = 2

_URL = re.compile(r"(?:https?://|www\.)\S+")
_DIGITS = re.compile(r"\d+")
_LETTER = re.compile(r"[^\W\d_]")
# Unicode calls them ignorable, but gives them another category than Cf: joiner, fillers, variation selectors.
_IGNORABLE = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"


def normalise(text: str) -> str:
    """Return the text, cleaned as the recipe says, without what does not distinguish near-duplicates.

    Compatible characters become one (NFKC), and format characters go. A text that holds only digits and URLs is
    folded in case and white space alone: two of those have nothing in common.
    """
    folded = _fold(text)
    bare = _URL.sub(" ", folded) if "://" in folded or "www." in folded else folded
    bare = _DIGITS.sub("0", bare)
    return " ".join((bare if _LETTER.search(bare) else folded).split())


def _fold(text: str) -> str:
    """Case folded, compatible characters made one, format characters left out."""
    if text.isascii():
        return text.casefold()
    # Format characters first, since they stand between a letter and its accent; folding may take letters apart.
    composed = unicodedata.normalize("NFKC", _invisible().sub("", text))
    return unicodedata.normalize("NFKC", composed.casefold())


@cache
def _invisible() -> re.Pattern[str]:
    """All characters that show nothing; built once, since it asks for the category of every character."""
    formats = (char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) == "Cf")
    return re.compile(f"[{''.join(map(re.escape, formats))}{_IGNORABLE}]+")
