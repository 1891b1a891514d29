"""Which documents a filter takes and what a projection leaves of them, for the MongoDB stand-in."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mongomock.filtering import TYPE_MAP as KNOWN_TYPES
from mongomock.filtering import filter_applies

Document = dict[str, Any]


def matching(documents: Iterable[Document], filter_: Mapping[str, Any]) -> Iterator[Document]:
    """The documents that the filter takes, in their order, one by one."""
    if not filter_:
        return iter(documents)
    spelled = _spell_types(filter_)
    return (document for document in documents if filter_applies(spelled, document))


def _spell_types(filter_: Any) -> Any:
    """Lists of types as `$or`, without the types that mongomock cannot hold."""
    if isinstance(filter_, list):
        return [_spell_types(part) for part in filter_]
    if not isinstance(filter_, dict):
        return filter_
    spelled = {}
    for key, value in filter_.items():
        types = value.get("$type") if isinstance(value, dict) else None
        if isinstance(types, list):
            known = [{key: {**value, "$type": name}} for name in types if KNOWN_TYPES.get(name)]
            spelled.update({"$or": known} if known else {"$nor": [{}]})
        else:
            spelled[key] = _spell_types(value)
    return spelled


def project(document: Document, projection: Mapping[str, Any]) -> Document:
    """Keep, or leave out, the named fields; dotted names reach into objects and lists of objects."""
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
