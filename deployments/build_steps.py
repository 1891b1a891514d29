"""The build step of `prefect.yaml`: values that its braces stand for."""

import os
from pathlib import Path
from typing import Any

from assay.recipes.loader import SHIPPED, load_recipe

# Recipe files beside the shipped ones, parted as PATH is.
RECIPES = "ASSAY_RECIPES"


def values() -> dict[str, Any]:
    """What differs from place to place.

    Returns:
        `folder` that relative paths begin in; `store`, absolute; `recipes` by name, whole, so that the forms of
        the Prefect UI show every setting.

    Raises:
        AssayError: a recipe is not there or not right.
    """
    names = [path.stem for path in sorted(SHIPPED.glob("*.yaml"))]
    own = [one for one in os.environ.get(RECIPES, "").split(os.pathsep) if one]
    recipes = [load_recipe(one) for one in (*names, *own)]
    return {
        "folder": str(Path.cwd()),
        "store": str(Path(os.environ.get("ASSAY_STORE") or ".assay").resolve()),
        "recipes": {recipe.name: recipe.model_dump(mode="json") for recipe in recipes},
    }
