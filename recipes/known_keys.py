"""The keys that a recipe knows, and the closest to an unknown one."""

import difflib
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel


def nearest_key(key: str, model: type[BaseModel]) -> str:
    """Return the remedy for an unknown key: the closest known one, or to remove it."""
    known = [name for name in known_keys(model) if not key.startswith(f"{name}.")]
    last = {name.rpartition(".")[2]: name for name in reversed(known)}
    if key in known:  # such as a key of another kind of source
        return "; it does not go with the other keys, remove it"
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.75) or [
        last[name] for name in difflib.get_close_matches(key.rpartition(".")[2], list(last), n=1, cutoff=0.6)
    ]
    return f"; did you mean {close[0]!r}?" if close else "; remove it"


@cache
def known_keys(model: type[BaseModel], prefix: str = "") -> tuple[str, ...]:
    """Return the dotted keys of a model, sorted."""
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        keys.add(prefix + name)
        for part, model_there in _models_in(field.annotation):
            keys.update(known_keys(model_there, f"{prefix}{name}.{part}"))
    return tuple(sorted(keys))


def _models_in(annotation: Any) -> list[tuple[str, type[BaseModel]]]:
    """Return the models of an annotation, each with the names of a mapping that lead to it, such as `sentence.`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [("", annotation)]
    parts = [model for part in get_args(annotation) for model in _models_in(part)]
    if get_origin(annotation) is dict:
        names = [f"{name}." for name in get_args(get_args(annotation)[0])] or [""]  # keys may be any text
        return [(name + part, model) for name in names for part, model in parts]
    return parts
