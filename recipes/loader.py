"""Read a recipe file, apply `--set` overrides, and report every fault in one line."""

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from assay.corpus.errors import AssayError
from assay.recipes.bounds import OUT_OF_BOUNDS, allowed_range
from assay.recipes.recipe import Recipe
from assay.recipes.yaml_values import YamlError, read_yaml

SHIPPED = Path(__file__).parent
# Pydantic adds the member of a union that it tried to the location of an error.
_UNION_MEMBER = re.compile(r"mongo|hub|files|constrained-\w+|str|bool|[a-z-]+\[.*\]")
_CREDENTIALS = re.compile(r"//[^/\s]+@")


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a YAML recipe, or a shipped one by its name, and apply overrides such as `training.epochs=3`.

    Raises:
        AssayError: the file is missing or not YAML, a key is unknown, or a value is wrong; the error names it.
    """
    file = find_recipe(path)
    try:
        values = read_yaml(file.read_text(encoding="utf-8"))
    except YamlError as error:
        raise AssayError(f"{file}, {error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AssayError(f"{file} is not valid YAML: {_one_line(error)}") from error
    if not isinstance(values, dict):
        raise AssayError(f"{file} is not a mapping of keys; see the shipped recipes in {SHIPPED}")
    for override in overrides:
        _apply_override(values, override)
    return parse_recipe(values, str(file))


def parse_recipe(values: Mapping[str, Any], where: str) -> Recipe:
    """Validate a recipe that was already read.

    Args:
        values: the keys of the recipe.
        where: source of the recipe, which begins the error.

    Raises:
        AssayError: a key is unknown or a value is wrong; the error lists all faults.
    """
    try:
        return Recipe.model_validate(_texts_as_keys(values))
    except ValidationError as error:
        faults = "; ".join(map(_describe, _clearest(error.errors(include_url=False))))
        raise AssayError(f"{where}: {faults}") from error
    except RecursionError as error:
        raise AssayError(f"{where}: keys, lists or mappings are nested too deeply; remove levels") from error


def find_recipe(path: str | Path) -> Path:
    """Return the path itself, or that of the shipped recipe of this name.

    Raises:
        AssayError: neither exists.
    """
    file = Path(path)
    if file.is_file():
        return file
    shipped = SHIPPED / f"{file.name.removesuffix('.yaml')}.yaml"
    if len(file.parts) == 1 and shipped.is_file():
        return shipped
    names = ", ".join(sorted(recipe.stem for recipe in SHIPPED.glob("*.yaml")))
    raise AssayError(f"{path} is neither a file nor a shipped recipe (shipped: {names})")


def _apply_override(values: dict[str, Any], override: str) -> None:
    """Set one dotted key to a value read as YAML, such as `3`, `true`, `null`, `[a, b]` or `{a: 1}`."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise AssayError(f"--set {override!r} is not KEY=VALUE, for example --set training.epochs=3")
    *parents, last = key.split(".")
    node = values
    for name in parents:
        child = node.setdefault(name, {})
        if child is None:
            child = node[name] = {}
        if not isinstance(child, dict):
            raise AssayError(f"--set {override!r}: {name!r} holds {child!r}, which has no keys; set {name!r} itself")
        node = child
    try:
        node[last] = read_yaml(text, (*parents, last))
    except YamlError as error:
        raise AssayError(f"--set {override!r}, {error}") from error
    except yaml.YAMLError as error:
        raise AssayError(f"--set {override!r}: {text!r} is not a YAML value: {_one_line(error)}") from error


def _clearest(faults: Sequence[Any]) -> list[Any]:
    """Drop faults about other types of a choice in `tuning.space` when one says that the choice is out of bounds."""
    bounded = {fault["loc"][:3] for fault in faults if fault["type"] in OUT_OF_BOUNDS and fault["loc"][0] == "tuning"}
    return [fault for fault in faults if fault["loc"][:3] not in bounded or fault["type"] in OUT_OF_BOUNDS]


def _describe(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"] if not _UNION_MEMBER.fullmatch(str(part)))
    value = _CREDENTIALS.sub("//***@", repr(fault["input"]))
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key!r} (value {value}){_nearest(key)}"
    if fault["type"] == "missing":
        return f"key {key!r} is missing; add it"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"{key}: {message}" if key and key not in message else message
    if fault["type"] == "string_type" and not isinstance(fault["input"], dict | list):
        return _not_a_text(key, fault["input"])
    allowed = allowed_range(_schema(), fault["loc"]) if fault["type"] in OUT_OF_BOUNDS else None
    return f"{key!r} is {value}: {message}" + (f" (allowed: {allowed})" if allowed else "")


@cache
def _schema() -> dict[str, Any]:
    return Recipe.model_json_schema()


def _not_a_text(key: str, value: Any) -> str:
    """Describe a value that should be text, without quoting it: 0123 in the file has become 123."""
    if value is None:
        return f"{key!r} is empty or null, but must be text; write a text, or remove the key"
    kinds = {bool: "boolean", int: "number", float: "number"}
    kind = kinds.get(type(value), type(value).__name__)
    return f"{key!r} is a {kind}, but must be text; put it in quotes"


def _texts_as_keys(values: Any) -> Any:
    """Convert keys that are whole numbers or booleans to text, as the labels of the source are."""
    if isinstance(values, Mapping):
        return {_text_of_key(key): _texts_as_keys(value) for key, value in values.items()}
    return [_texts_as_keys(value) for value in values] if isinstance(values, list) else values


def _text_of_key(key: Any) -> Any:
    if isinstance(key, bool):
        return str(key).lower()
    return str(key) if isinstance(key, int) else key


def _nearest(key: str) -> str:
    """Suggest the known key that is closest to an unknown one, or to remove the unknown one."""
    known = sorted(_known_keys(Recipe))
    last = {name.rpartition(".")[2]: name for name in reversed(known)}
    if key in known:  # such as a key of another kind of source
        return "; it does not go with the other keys, remove it"
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.75) or [
        last[name] for name in difflib.get_close_matches(key.rpartition(".")[2], list(last), n=1, cutoff=0.6)
    ]
    return f"; did you mean {close[0]!r}?" if close else "; remove it"


def _known_keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys = set()
    for name, field in model.model_fields.items():
        keys.add(prefix + name)
        for part in _models_in(field.annotation):
            keys |= _known_keys(part, f"{prefix}{name}.")
    return keys


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
