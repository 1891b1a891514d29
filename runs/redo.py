"""The first step that depends on a key of a recipe: what `--from` may be combined with."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from assay.corpus.choice import choose
from assay.corpus.errors import AssayError
from assay.recipes.gate_section import SliceRule
from assay.recipes.recipe import Recipe
from assay.runs.run import SingleStep, Step

STEPS: tuple[Step, ...] = get_args(Step)
SINGLE_STEPS: tuple[SingleStep, ...] = get_args(SingleStep)
# The longest prefix of a key counts. A key without one is read by the gate, or only recorded.
FIRST_STEPS: dict[str, Step] = {
    "source": "extract",
    "model.heads": "extract",
    "validation": "validate",
    "split.method": "validate",
    "model.cleaning": "validate",
    "split": "split",
    "name": "split",
    "tuning": "tune",
    "model": "train",
    "training": "train",
    "registry.name": "export",
    "decision": "export",
    "gate.precision": "export",
    "gate.precision_max_drop": "export",
}
# With a token head, the data checks run the tokenizer on the entities.
TOKENIZER = ("model.encoder", "model.revision", "model.scratch")
# These decide whether a run trains again after a low score, or for a slice.
DECIDES_ON_RETRIES = ("gate.min_f1", "gate.slices", "retrigger")


def check_changes(before: Mapping[str, Any], recipe: Recipe, from_step: Step, run: str) -> None:
    """Refuse to redo steps of a run with a recipe that would change an earlier step.

    Args:
        before: the recipe of the run, as JSON.
        recipe: the present recipe.
        from_step: the first step to do again.
        run: key of the run.

    Raises:
        AssayError: keys differ that an earlier step depends on; the line names all of them.
    """
    step_of = {key: first_step(key, before, recipe) for key in changed_keys(before, recipe.model_dump(mode="json"))}
    refused = {key: step for key, step in step_of.items() if STEPS.index(step) < STEPS.index(from_step)}
    if not refused:
        return
    first = min(refused.values(), key=STEPS.index)
    named = ", ".join(f"{key} (read by {step})" for key, step in refused.items())
    raise AssayError(
        f"--from {from_step}: the recipe differs from that of run {run} in {named}; start at that step "
        f"(--from {first}), begin another run (without --from), or give the run's own values"
    )


def changed_keys(before: Any, after: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys whose values differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from changed_keys(before.get(key), after.get(key), f"{prefix}.{key}" if prefix else key)
    elif before != after:
        yield prefix


def first_step(key: str, before: Mapping[str, Any], recipe: Recipe) -> Step:
    """Return the first step that depends on a key in one of the two recipes."""
    parts = key.split(".")
    prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    after = recipe.model_dump(mode="json")
    if any(prefix in TOKENIZER for prefix in prefixes) and (_has_tokens(before) or _has_tokens(after)):
        return "validate"
    step = next((FIRST_STEPS[prefix] for prefix in prefixes if prefix in FIRST_STEPS), None)
    tuned = recipe.tuning is not None or before.get("tuning") is not None
    if step == "train" and tuned:  # trials train, too
        return "tune"
    retries = tuned or _mitigates(before) or _mitigates(after)
    if step is None and retries and any(prefix in DECIDES_ON_RETRIES for prefix in prefixes):
        return "score"
    return step or "gate"


def _has_tokens(recipe: Mapping[str, Any]) -> bool:
    return "tokens" in recipe["model"]["heads"]


def _mitigates(recipe: Mapping[str, Any]) -> bool:
    return SliceRule.model_validate(recipe["gate"]["slices"]).active and recipe["retrigger"]["max_attempts"] > 0


def parse_step(name: str | None) -> Step | None:
    """Return the step to begin at, as a person types it; None for None.

    Raises:
        AssayError: there is no such step.
    """
    return None if name is None else choose(name, STEPS, f"--from {name}: no such step; steps are {', '.join(STEPS)}")


def parse_last_step(name: str) -> SingleStep:
    """Return the step to stop after, as a person types it.

    Raises:
        AssayError: a run cannot stop after it, or there is no such step.
    """
    names = ", ".join(SINGLE_STEPS)
    refusal = f"--until {name}: the steps to stop after are {names}; to run the gate without promotion, use --dry-run"
    return choose(name, SINGLE_STEPS, refusal)
