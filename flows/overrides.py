"""Validate and apply the training settings that an HTTP client may change in a deployed recipe."""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.recipes.allowed_values import allowed
from assay.recipes.recipe import Recipe
from assay.recipes.recipe_faults import schema_of
from assay.recipes.schema_nodes import nodes_at
from assay.recipes.training_section import Training

SECTION = "training"
# An explicit list: a setting that is added to the schema later, and might hold a path, is not open to clients.
ALLOWED = (
    "epochs",
    "batch_size",
    "learning_rate",
    "head_learning_rate",
    "warmup_ratio",
    "weight_decay",
    "epsilon",
    "max_grad_norm",
    "label_smoothing",
    "tokens_weight",
    "class_weights",
    "keep",
    "early_stopping",
    "precision",
    "seed",
    "deterministic",
)

_REASONS = {"missing": "is missing; add it", "extra_forbidden": "is unknown; remove it"}


class Fault(BaseModel):
    """A parameter that is refused, and the reason."""

    model_config = ConfigDict(frozen=True)

    parameter: str
    value: Any
    reason: str


class FaultyParametersError(Exception):
    """The parameters of a request are refused; the error names every fault."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.parameter}: {fault.reason}" for fault in faults))
        self.faults = faults


def override(recipe: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe with changed training settings.

    Args:
        recipe: the deployed recipe, as JSON.
        overrides: `training.KEY` -> value.

    Returns:
        The changed recipe, as JSON.

    Raises:
        FaultyParametersError: a key is unknown or not open to clients, or a value has the wrong type or range.
    """
    if faults := [fault for key, value in overrides.items() for fault in _faults(key, value)]:
        raise FaultyParametersError(faults)
    changes = {key.removeprefix(f"{SECTION}."): value for key, value in overrides.items()}
    settings = {**recipe.get(SECTION, {}), **changes}
    try:
        # Strict: a batch size of "8" or true is an error of the client.
        Training.model_validate(settings, strict=True)
        return Recipe.model_validate({**recipe, SECTION: settings}).model_dump(mode="json")
    except ValidationError as error:
        of_section = error.title == Training.__name__
        raise FaultyParametersError(
            faults_of(error, Training if of_section else Recipe, SECTION if of_section else "")
        ) from error


def faults_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Fault]:
    """Convert the errors of pydantic about a model to faults with dotted parameter names, in the words of a recipe."""
    return [
        Fault(
            parameter=".".join(str(part) for part in (prefix, *fault["loc"]) if part != "") or "body",
            value=_plain(fault["input"]),
            reason=_reason(fault, model),
        )
        for fault in error.errors(include_url=False, include_context=False)
    ]


def _faults(key: str, value: Any) -> Iterator[Fault]:
    section, _, name = key.partition(".")
    if section != SECTION or name not in ALLOWED:
        yield Fault(parameter=key, value=_plain(value), reason=_not_open(name if section == SECTION else key))
    elif isinstance(value, float) and not math.isfinite(value):
        reason = f"must be {allowed(nodes_at(schema_of(Training), [name]))}"
        yield Fault(parameter=key, value=str(value), reason=reason)


def _reason(fault: Any, model: type[BaseModel]) -> str:
    if fault["type"] in _REASONS:
        return _REASONS[fault["type"]]
    if fault["type"] in ("value_error", "json_invalid"):
        return str(fault["msg"].removeprefix("Value error, "))
    return f"must be {allowed(nodes_at(schema_of(model), fault['loc']))}"


def _not_open(name: str) -> str:
    if near := difflib.get_close_matches(name, ALLOWED, n=1):
        return f"cannot be changed by clients; did you mean {SECTION}.{near[0]}?"
    return f"cannot be changed by clients; choose from {', '.join(f'{SECTION}.{key}' for key in ALLOWED)}"


def _plain(value: Any) -> Any:
    """Return a value that can be sent back as JSON, shortened to 100 characters."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:100]
