"""Remedies for returned rows that cannot be used: people work in a tool or a table, and not at the source."""

import re

from assay.corpus.documents.remedies import GENERAL, remedy_of

AGAIN = "correct the row in the tool, and export again"
# As in `documents.remedies`: a pattern of the kind of a reason, and the remedy. The first match counts.
_REMEDIES = (
    (r"there is no such row", "keep the ids of the tasks, which assay labels wrote"),
    (r"text(_pair)? is not that of .*", "write the tasks again (assay labels issues), and correct those"),
    (r".* of the recipe \(--new-labels accepts it\)", "correct the label in the tool, or pass --new-labels"),
    (r".* is not a list like .*", "fill the cell in like that list"),
    (
        r".* differs from that of the row",
        "write decisions into new_label, new_labels or new_entities; if the row has changed, write the tasks again",
    ),
    (r"labels is not a list of labels", "choose the labels in the tool again, and export again"),
    (r".* is a number without a name", "export the project again with the labels as text"),
    (r"entities overlap", "keep one of the overlapping entities in the tool, and export again"),
    (r"text is .*", "keep the texts of the tasks, which show whether a row has changed since"),
    (r"\S+ is missing", "keep the ids of the tasks, or name their field with --id"),
    (
        r"entity (lies outside|differs from) the text|entity is empty|entity ends before it begins|"
        r"entity begins or ends inside a character|entity\..* is .*",
        "write start and end as numbers that count characters of the text, from 0, the end exclusive",
    ),
    (r"entity covers white space alone", "remove the entity, or correct its offsets"),
    (r"not valid UTF-8", "save the file again as UTF-8, or name its encoding with --encoding, such as windows-1252"),
    (
        r"not valid CSV|a quotation mark is .*|text follows a closing quotation mark|wrong number of cells",
        "correct the quotation marks and separators of that line, or name the separator with --separator",
    ),
)
# The only keys of the source by which returned rows are read, too.
_SHARED = "source.annotations."
_PATTERNS = [(re.compile(pattern, re.DOTALL), remedy) for pattern, remedy in _REMEDIES]


def correction_remedy(reason: str) -> str:
    """Return the remedy for a returned row that cannot be used for the given reason."""
    kind = reason.partition(": ")[0]
    remedy = next((remedy for pattern, remedy in _PATTERNS if pattern.fullmatch(kind)), remedy_of(reason))
    is_of_source = "source." in remedy and _SHARED not in remedy
    return AGAIN if remedy == GENERAL or is_of_source else remedy
