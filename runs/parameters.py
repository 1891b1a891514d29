"""Recipes and settings as parameters of an MLflow run.

The key of a parameter is a key of the schema and never a word of the user: MLflow refuses many characters in keys, and
two words may become one. A mapping with keys of the user is one parameter, as JSON.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from mlflow.entities import Dataset, Param
from mlflow.utils.validation import MAX_DATASET_SOURCE_SIZE, MAX_PARAM_VAL_LENGTH
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from assay.corpus.storage.digest import canonical_json, digest_json
from assay.recipes.recipe import Recipe

RECIPE = "recipe.json"  # artifact of a run with every value in full
# MLflow keeps 36 characters of the digest of a data set; a tag holds all of it.
MLFLOW_DIGEST_LENGTH = 36


def recipe_parameters(recipe: Recipe) -> list[Param]:
    """Return every value of a recipe as a parameter, by the dotted key of the schema."""
    return [parameter(key, value) for key, value in _leaves(recipe, recipe.model_dump(mode="json"))]


def parameter(key: str, value: Any) -> Param:
    """Return a parameter that MLflow accepts; length and digest replace a value that is too long."""
    text = plain(value if isinstance(value, str) else _text(value))
    if len(text) > MAX_PARAM_VAL_LENGTH:
        text = f"{len(text):,} characters, see {RECIPE}; digest {digest_json(text)[:12]}"
    return Param(key, text)


def dataset_input(name: str, kind: str, digest: str, source: Mapping[str, Any], counts: Mapping[str, Any]) -> Dataset:
    """Return the data set of a run; its digest replaces a source that is too long for MLflow."""
    address = canonical_json(source).decode()
    if len(address) > MAX_DATASET_SOURCE_SIZE:
        address = canonical_json({"see": RECIPE, "digest": digest_json(source)}).decode()
    return Dataset(
        name=name,
        digest=digest[:MLFLOW_DIGEST_LENGTH],
        source_type=kind,
        source=address,
        profile=canonical_json(counts).decode(),
    )


def plain(text: str) -> str:
    """Return the text with NUL and lone surrogates escaped, which not every database of MLflow accepts."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _text(value: Any) -> str:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def _leaves(model: BaseModel, values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a model by its dotted key.

    Args:
        model: the model, which tells sections from values.
        values: the same model as JSON.
        prefix: beginning of all keys.
    """
    for name, field in type(model).model_fields.items():
        section, value = getattr(model, name), values[name]
        if isinstance(section, BaseModel):
            yield from _leaves(section, value, f"{prefix}{name}.")
        elif value and _has_keys_of_the_schema(field):
            yield from ((f"{prefix}{name}.{key}", item) for key, item in value.items())
        else:
            yield f"{prefix}{name}", value


def _has_keys_of_the_schema(field: FieldInfo) -> bool:
    """Return whether a field is a mapping whose keys the schema lists, such as the heads."""
    keys = get_args(field.annotation)[:1]
    return get_origin(field.annotation) is dict and get_origin(keys[0]) is Literal
