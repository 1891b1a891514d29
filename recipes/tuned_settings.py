"""Apply the settings of a search to a recipe, and write them as overrides or YAML."""

from collections.abc import Mapping
from typing import Any

import yaml

from assay.recipes.loader import parse_recipe
from assay.recipes.recipe import Recipe
from assay.recipes.training_section import Setting


def apply_settings(recipe: Recipe, settings: Mapping[str, Setting]) -> Recipe:
    """Return the recipe with some keys such as `training.learning_rate` replaced, and validate it again.

    Raises:
        AssayError: the settings do not go together; the error names the key.
    """
    values: dict[str, Any] = recipe.model_dump(mode="json")
    for key, value in settings.items():
        section, _, name = key.partition(".")
        values[section][name] = value
    return parse_recipe(values, f"settings of {recipe.name}")


def overrides_of(settings: Mapping[str, Setting]) -> list[str]:
    """Return the settings as arguments of `--set`, such as `training.learning_rate=0.0003`."""
    return [f"{key}={_yaml(value)}" for key, value in settings.items()]


def recipe_part(settings: Mapping[str, Setting]) -> str:
    """Return the settings as YAML that can be pasted into a recipe file."""
    sections: dict[str, dict[str, Setting]] = {}
    for key, value in settings.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    return str(yaml.safe_dump(sections, sort_keys=False, allow_unicode=True))


def _yaml(value: Setting) -> str:
    """Return a value as a YAML scalar; `yaml.safe_dump` would end a bare one with a line of three dots."""
    text: str = yaml.safe_dump([value], default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.strip()[1:-1]
