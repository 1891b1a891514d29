"""Filters and projections of the MongoDB stand-in."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mongomock.filtering import TYPE_MAP as KNOWN_TYPES
from mongomock.filtering import filter_applies

Document = dict[str, Any]


def matching(documents: Iterable[Document], filter_: Mapping[str, Any]) -> Iterator[Document]:
    """Yield the documents that match the filter, in order."""
    if not filter_:
        return iter(documents)
    expanded = _expand_types(filter_)
    return (document for document in documents if filter_applies(expanded, document))


def _expand_types(filter_: Any) -> Any:
    """Replace lists of types by `$or`, without the types that mongomock does not support."""
    if isinstance(filter_, list):
        return [_expand_types(part) for part in filter_]
    if not isinstance(filter_, dict):
        return filter_
    expanded = {}
    for key, value in filter_.items():
        types = value.get("$type") if isinstance(value, dict) else None
        if isinstance(types, list):
            known = [{key: {**value, "$type": name}} for name in types if KNOWN_TYPES.get(name)]
            expanded.update({"$or": known} if known else {"$nor": [{}]})
        else:
            expanded[key] = _expand_types(value)
    return expanded


def project(document: Document, projection: Mapping[str, Any]) -> Document:
    """Keep or remove the named fields; dotted names address fields of objects and of lists of objects."""
    names = {name: bool(wanted) for name, wanted in projection.items() if name != "_id"}
    keep = any(names.values()) or not names
    result = {key: value for key, value in document.items() if key == "_id" and projection.get("_id", True)}
    for key, value in document.items():
        if key == "_id":
            continue
        below = {name[len(key) + 1 :]: wanted for name, wanted in names.items() if name.startswith(key + ".")}
        if key in names or not below:
            if (key in names) == keep:
                result[key] = value
        else:
            result[key] = _project_below(value, below)
    return result


def _project_below(value: Any, names: Mapping[str, bool]) -> Any:
    if isinstance(value, dict):
        return project(value, {"_id": True, **names})
    return [_project_below(item, names) for item in value] if isinstance(value, list) else value
