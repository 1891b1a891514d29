"""Errors of PyYAML in plain words, in one line with the line number and the remedy."""

import re

from yaml import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

# Pattern of what PyYAML says (context, then problem), and the words for it; {line} is where the context begins.
_WORDS = (
    (r".*found character '\\t'.*", "a tab begins a value; indent with spaces"),
    (
        r"while scanning a quoted scalar.*(unexpected end|document separator).*",
        "the quote that opens in line {line} is never closed; close it",
    ),
    (
        r"while scanning a simple key.*could not find expected ':'",
        "a line without KEY: VALUE; add the colon, or put a text of several lines in quotes",
    ),
    (
        r".*mapping values are not allowed here",
        "a colon where no key may be; indent keys of one section alike, and put a text with a colon in quotes",
    ),
    (r"while parsing a flow sequence.*", "the list that opens in line {line} is not closed; add ]"),
    (r"while parsing a flow mapping.*", "the mapping that opens in line {line} is not closed; add }}"),
    (
        r"while parsing a block mapping.*",
        "a value that does not continue the section of line {line}; indent its keys alike, and put a text with quotes "
        "in it in quotes as a whole",
    ),
    (
        r"while parsing a block collection.*",
        "an item that does not begin with '- ' like those of line {line}; correct it",
    ),
    (
        r".*expected alphabetic or numeric character.*",
        "* and & begin a reference in YAML; put a text that has one in quotes",
    ),
    (
        r".*found character .* cannot start any token.*",
        "a value begins with a character that YAML keeps; put it in quotes",
    ),
    (r".*but found another document", "a second document begins; a recipe is one, remove the line ---"),
    (r".*expected '<document start>'.*", "a line begins further left than the first one; indent them alike"),
    (r".*found unconstructable recursive node.*", "a reference to the list or mapping that it is in; remove it"),
    (
        r".*found undefined alias.*",
        "* begins a reference to a name that is not defined; put a text that has one in quotes",
    ),
)


def describe_yaml_error(error: YAMLError | UnicodeDecodeError) -> str:
    """Return one line: where the text is not YAML, why, and the remedy."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8; save the file again as UTF-8"
    if isinstance(error, ReaderError):
        return f"it holds the control character {chr(error.character)!r} at {error.position}; remove it"
    if not isinstance(error, MarkedYAMLError):
        return _one_line(error)
    said = " ".join(filter(None, (error.context, error.problem)))
    mark = error.problem_mark or error.context_mark
    context = error.context_mark or mark
    words = next((words for pattern, words in _WORDS if re.fullmatch(pattern, said, re.DOTALL)), None)
    opened = context.line + 1 if context else 1
    why = words.format(line=opened) if words else f"{error.problem or said}; correct it, or put a text in quotes"
    return f"line {mark.line + 1}: {why}" if mark else why


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
