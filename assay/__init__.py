"""Train, assay, promote and serve NLP models.

What stands here is all that scripts and notebooks need; everything else is loaded when it is first used:

    import assay

    recipe = assay.load_recipe("snips")           # a shipped recipe, or the path of a file
    outcome = assay.train(recipe)                 # extract, validate, split, train, export, evaluate, gate, promote
    model = assay.load("models:/snips@champion")  # or the folder of a bundle
    model.predict("play some jazz")

The folders of this package are links to those beside it (docs/architecture.md tells why).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.flows.local import run_training as train
    from assay.recipes.loader import load_recipe
    from assay.recipes.recipe import Recipe
    from assay.serving.address import open_bundle
    from assay.serving.engine import Engine, Prediction, Row
    from assay.serving.model import Model, load

__all__ = [
    "Engine",
    "Model",
    "Prediction",
    "Recipe",
    "Row",
    "__version__",
    "load",
    "load_recipe",
    "open_bundle",
    "train",
]

_HOMES = {
    "Engine": "assay.serving.engine",
    "Model": "assay.serving.model",
    "Prediction": "assay.serving.engine",
    "Recipe": "assay.recipes.recipe",
    "Row": "assay.serving.engine",
    "load": "assay.serving.model",
    "load_recipe": "assay.recipes.loader",
    "open_bundle": "assay.serving.address",
    "train": "assay.flows.local:run_training",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version("assay")
    if name not in _HOMES:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    module, _, there = _HOMES[name].partition(":")
    return getattr(import_module(module), there or name)


def __dir__() -> list[str]:
    return sorted(__all__)
