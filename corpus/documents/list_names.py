"""Dotted names that end at a list: the number of an item that it does not have, or none at all."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.corpus.documents.values import MISSING, get_path
from assay.corpus.plural import counted

Documents = Sequence[Mapping[str, Any]]


def list_fault(name: str, documents: Documents) -> str | None:
    """Return what is wrong with a name that no document has, and the name that is meant; None if no list is why.

    Args:
        name: a dotted name, such as `annotations.1.result`.
        documents: documents without such a field.
    """
    parts = name.split(".")
    for length in range(1, len(parts)):
        prefix, part = ".".join(parts[:length]), parts[length]
        lists = [value for document in documents if isinstance(value := get_path(document, prefix), list)]
        most = max(map(len, lists), default=-1)
        if most < 0 or (part.isdecimal() and int(part) < most):
            continue
        items = f"{prefix!r} is a list of {'at most ' if len({*map(len, lists)}) > 1 else ''}{counted(most, 'item')}"
        rest = parts[length + 1 :] if part.isdecimal() else parts[length:]
        likely = ".".join([prefix, str(max(0, most - 1)), *rest])
        counts_from = ", counted from 0" if part.isdecimal() and most else ""
        exists = most > 0 and any(get_path(document, likely) is not MISSING for document in documents)
        return f"{items}{counts_from}" + (f"; did you mean {likely!r}?" if exists else "")
    return None
