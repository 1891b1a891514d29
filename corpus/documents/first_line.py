"""Tables whose first line is a row, so that the names of their columns are values."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from assay.corpus.documents.written_lists import written_list

Documents = Sequence[Mapping[str, Any]]
LEAST_REPEATED = 2  # rows; a single one may be the line of names of a file that was appended


def repeated_name(documents: Documents) -> tuple[str, int] | None:
    """Return the first name of a column that is also a value of it in several rows, with their number."""
    for name in filter(str.strip, documents[0] if documents else ()):
        # A sheet of Excel holds numbers, and names are texts.
        count = sum(value is not None and str(value) == name for value in (row.get(name) for row in documents))
        if count >= LEAST_REPEATED:
            return name, count
    return None


def begins_with_row(documents: Documents) -> bool:
    """Return whether a name of a column is also a value of it, or a list as rows of words hold it."""
    names = documents[0] if documents else ()
    return repeated_name(documents) is not None or any(isinstance(written_list(name), list) for name in names)


def numbered_columns(documents: Documents) -> str:
    """Return the key `source.file.columns` that names words and tags, or the text and the class."""
    names = list(documents[0])
    lists = [name for name in names if isinstance(written_list(name), list)]
    if len(lists) > 1:
        found = {"tokens": lists[0], "tags": lists[1]}
    else:
        columns = {name: [str(document.get(name, "")) for document in documents] for name in names}
        text = max(names, key=lambda name: statistics.fmean(map(len, columns[name])))
        others = [name for name in names if name != text]
        found = {"text": text}
        if others:
            found["label"] = min(others, key=lambda name: len(Counter(columns[name])))
    return "{" + ", ".join(f"{role}: {names.index(name) + 1}" for role, name in found.items()) + "}"
