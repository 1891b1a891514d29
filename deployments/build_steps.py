"""The build step of `prefect.yaml`: values of its placeholders."""

import os
from pathlib import Path
from typing import Any

from assay.recipes.loader import SHIPPED, load_recipe

# Recipe files besides the shipped ones, separated as in PATH.
RECIPES = "ASSAY_RECIPES"


def values() -> dict[str, Any]:
    """Return the values that depend on the machine.

    Returns:
        `folder`, the base of relative paths; `store`, an absolute path; and `recipes` by name, complete, so that the
        forms of the Prefect UI show every setting.

    Raises:
        AssayError: a recipe is missing or invalid.
    """
    names = [path.stem for path in sorted(SHIPPED.glob("*.yaml"))]
    files = [path for path in os.environ.get(RECIPES, "").split(os.pathsep) if path]
    recipes = [load_recipe(recipe) for recipe in (*names, *files)]
    return {
        "folder": str(Path.cwd()),
        "store": str(Path(os.environ.get("ASSAY_STORE") or ".assay").resolve()),
        "recipes": {recipe.name: recipe.model_dump(mode="json") for recipe in recipes},
    }
