"""Read a recipe file, apply `--set` overrides, and report every fault in one line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from assay.corpus.errors import AssayError
from assay.recipes.recipe import Recipe
from assay.recipes.recipe_faults import boolean_faults, fault_lines, schema_of
from assay.recipes.schema_nodes import has_free_keys, nodes_at
from assay.recipes.yaml_faults import describe_yaml_error
from assay.recipes.yaml_values import YamlError, read_yaml

SHIPPED = Path(__file__).parent


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
        raise AssayError(f"{file} is not valid YAML: {describe_yaml_error(error)}") from error
    if not isinstance(values, dict):
        raise AssayError(f"{file} is not a mapping of keys; write KEY: VALUE lines, as the recipes in {SHIPPED} do")
    apply_overrides(values, overrides)
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
        texts = _texts_as_keys(values)
        faults = list(boolean_faults(texts, Recipe))
        try:
            recipe = Recipe.model_validate(texts)
        except ValidationError as error:
            faults += fault_lines(error, Recipe, texts)
    except RecursionError as error:
        raise AssayError(f"{where}: keys, lists or mappings are nested too deeply; remove levels") from error
    if faults:
        raise AssayError(f"{where}: {'; '.join(dict.fromkeys(faults))}")  # true out of bounds has two faults
    return recipe


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
    raise AssayError(f"{path} is neither a file nor a shipped recipe; check the path, or name one of {names}")


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Change the keys of a recipe as `KEY=VALUE` says.

    Raises:
        AssayError: an override is no such text, or its value is not YAML.
    """
    for override in overrides:
        _apply_override(values, override)


def _apply_override(values: dict[str, Any], override: str) -> None:
    """Set one dotted key to a value read as YAML, such as `3`, `true`, `null`, `[a, b]` or `{a: 1}`."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise AssayError(f"--set {override!r} is not KEY=VALUE, for example --set training.epochs=3")
    *parents, last = _parts(key)
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
        raise AssayError(f"--set {override!r}: {text!r} is not a YAML value: {describe_yaml_error(error)}") from error


def _parts(key: str) -> list[str]:
    """Return the keys of a dotted key; behind a mapping of any keys, such as `tuning.space`, the rest is one key."""
    parts = key.split(".")
    for number in range(1, len(parts)):
        if has_free_keys(nodes_at(schema_of(Recipe), parts[:number])):
            return [*parts[:number], ".".join(parts[number:])]
    return parts


def _texts_as_keys(values: Any) -> Any:
    """Convert keys that are whole numbers or booleans to text, as the labels of the source are."""
    if isinstance(values, Mapping):
        return {_text_of_key(key): _texts_as_keys(value) for key, value in values.items()}
    return [_texts_as_keys(value) for value in values] if isinstance(values, list) else values


def _text_of_key(key: Any) -> Any:
    if isinstance(key, bool):
        return str(key).lower()
    return str(key) if isinstance(key, int) else key
