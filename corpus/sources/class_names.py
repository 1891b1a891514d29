"""Names of classes in place of their numbers, by the features that `datasets` keeps of a table."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from assay.corpus.documents.raw_document import InvalidRow

Rename = Callable[[Any], Any]
Rows = Iterable[dict[str, Any] | InvalidRow]
# Key of the features in the metadata of a Parquet or Arrow file.
METADATA = b"huggingface"
LISTS = ("List", "LargeList", "Sequence")


def renamers(features: Mapping[str, Any]) -> dict[str, Rename]:
    """Return a function for each column with numbers of classes, which returns a value with names in their place.

    Args:
        features: those of the columns, as `Features.to_dict` returns them.
    """
    return {name: rename for name, feature in features.items() if (rename := _renamer(feature)) is not None}


def features_of(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Any]:
    """Return the features that the metadata of a Parquet or Arrow file hold; none if `datasets` did not write it."""
    try:
        features = json.loads((metadata or {})[METADATA])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return features if isinstance(features, Mapping) else {}


def with_names(rows: Rows, names: Mapping[str, Rename]) -> Iterator[dict[str, Any] | InvalidRow]:
    """Yield rows with names of classes in place of their numbers."""
    for row in rows:
        if isinstance(row, InvalidRow) or not names:
            yield row
        else:
            yield {column: names[column](value) if column in names else value for column, value in row.items()}


def _renamer(feature: Any) -> Rename | None:
    match feature:
        case {"_type": "ClassLabel", "names": list() as names}:
            return partial(_name, names)
        case {"_type": "Sequence", "feature": dict() as parts} if "_type" not in parts:
            # Before version 4, a sequence of objects was an object of lists.
            return _of_object({name: _of_list(rename) for name, rename in renamers(parts).items()})
        case {"_type": str() as kind, "feature": part} if kind in LISTS:
            return _of_list(_renamer(part))
        case [part]:
            return _of_list(_renamer(part))
        case {"_type": str()}:
            return None
        case dict():
            return _of_object(renamers(feature))
    return None


def _name(names: Sequence[str], value: Any) -> Any:
    """Return the name of a class; None for -1, which marks an unpublished label, and other values as they are."""
    if not isinstance(value, int):
        return value
    if value < 0:
        return None
    return names[value] if value < len(names) else value


def _of_list(rename: Rename | None) -> Rename | None:
    if rename is None:
        return None
    return lambda values: None if values is None else [rename(value) for value in values]


def _of_object(renames: Mapping[str, Rename | None]) -> Rename | None:
    known = {key: rename for key, rename in renames.items() if rename is not None}

    def rename_parts(value: Any) -> Any:
        if value is None:
            return None
        return {key: known[key](part) if key in known else part for key, part in value.items()}

    return rename_parts if known else None
