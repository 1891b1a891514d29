"""What a recipe may change before steps of a run are done again."""

from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.recipe import Recipe
from assay.runs.redo import check_changes
from assay.runs.run import Step
from tests.snapshots import recipe_values

BEFORE = Recipe.model_validate(recipe_values()).model_dump(mode="json")
TUNING = {"space": {"training.learning_rate": [1e-3, 1e-4]}}


def recipe(**parts: Any) -> Recipe:
    return Recipe.model_validate(recipe_values(**parts))


@pytest.mark.parametrize(
    ("parts", "step"),
    [
        ({}, "promote"),
        ({"gate": {"min_f1": {"sentence": 0.9}}}, "gate"),
        ({"gate": {"min_f1": {"sentence": 0.6}, "min_recall": {"sentence": {"good": 0.9}}}}, "gate"),
        ({"run_mode": "dry_run", "description": "another"}, "gate"),
        ({"registry": {"name": "other"}}, "export"),
        ({"gate": {"min_f1": {"sentence": 0.6}, "precision": "fp32"}}, "export"),
        ({"training": {"epochs": 2}, "model": {"scratch": {"layers": 1}, "heads": ["sentence"]}}, "train"),
        ({"tuning": TUNING, "training": {"epochs": 2}}, "tune"),
        ({"split": {"seed": 3}}, "split"),
        ({"split": {"method": "published"}}, "validate"),
        ({"validation": {"min_rows": 3}}, "validate"),
        ({"model": {"scratch": {}, "heads": ["sentence"], "cleaning": {"html": True}}}, "validate"),
        ({"retrigger": {"max_attempts": 0}}, "gate"),
    ],
)
def test_check_changes_takes_what_no_earlier_step_depends_on(parts: dict[str, Any], step: Step) -> None:
    check_changes(BEFORE, recipe(**parts), step, "r")


@pytest.mark.parametrize(
    ("parts", "step", "named", "remedy"),
    [
        ({"training": {"epochs": 2}}, "gate", "training.epochs (read by train)", "--from train"),
        ({"training": {"epochs": 2}, "tuning": TUNING}, "train", "training.epochs (read by tune)", "--from tune"),
        ({"split": {"seed": 3}, "training": {"seed": 1}}, "export", "split.seed (read by split)", "--from split"),
        ({"split": {"method": "published"}}, "split", "split.method (read by validate)", "--from validate"),
        ({"name": "other"}, "train", "name (read by split)", "--from split"),
        ({"registry": {"name": "other"}}, "evaluate", "registry.name (read by export)", "--from export"),
        (
            {"gate": {"min_f1": {"sentence": 0.6}, "precision": "fp32"}},
            "gate",
            "gate.precision (read by export)",
            "--from export",
        ),
        (
            {"gate": {"min_f1": {"sentence": 0.1}, "slices": {"text_length": True}}},
            "gate",
            "gate.min_f1.sentence (read by score)",
            "--from score",
        ),
    ],
)
def test_check_changes_names_the_keys_that_an_earlier_step_depends_on(
    parts: dict[str, Any], step: Step, named: str, remedy: str
) -> None:
    with pytest.raises(AssayError, match=f"--from {step}: the recipe differs from that of run r in ") as caught:
        check_changes(BEFORE, recipe(**parts), step, "r")
    assert named in str(caught.value)
    assert remedy in str(caught.value)


TOKENS: dict[str, Any] = {
    "source": {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": {"entities": "entities"}},
    "gate": {"min_f1": {"tokens": 0.6}},
}
ENCODER = {"encoder": "owner/name", "revision": "0" * 40, "heads": ["tokens"]}


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ({"scratch": {}}, {"scratch": {}, "cleaning": {"html": True}}, "model.cleaning.html"),
        ({"scratch": {}}, {"scratch": {"vocabulary": 200}}, "model.scratch.vocabulary"),
        (ENCODER, {**ENCODER, "encoder": "owner/other"}, "model.encoder"),
        (ENCODER, {**ENCODER, "revision": "1" * 40}, "model.revision"),
        ({"scratch": {}}, ENCODER, "model.scratch"),
    ],
)
@pytest.mark.parametrize("step", ["split", "train", "gate"])
def test_check_changes_knows_what_the_data_checks_read_of_the_model(
    before: dict[str, Any], after: dict[str, Any], key: str, step: Step
) -> None:
    old = recipe(**TOKENS, model={"heads": ["tokens"], **before})
    new = recipe(**TOKENS, model={"heads": ["tokens"], **after})
    with pytest.raises(AssayError, match=f"--from {step}: .*--from validate") as caught:
        check_changes(old.model_dump(mode="json"), new, step, "r")
    assert f"{key} (read by validate)" in str(caught.value)
    check_changes(old.model_dump(mode="json"), new, "validate", "r")


SLICES: dict[str, Any] = {"gate": {"min_f1": {"sentence": 0.6}, "slices": {"text_length": True}}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SLICES, {**SLICES, "retrigger": {"max_attempts": 0}}),
        ({**SLICES, "retrigger": {"max_attempts": 0}}, SLICES),
        (SLICES, {}),
        ({}, SLICES),
        ({"tuning": TUNING}, {"tuning": TUNING, "retrigger": {"max_attempts": 0}}),
    ],
    ids=["retries off", "retries on", "slices off", "slices on", "search"],
)
def test_check_changes_looks_at_the_retries_of_both_recipes(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = recipe(**before).model_dump(mode="json"), recipe(**after)
    with pytest.raises(AssayError, match="--from score"):
        check_changes(old, new, "gate", "r")
    check_changes(old, new, "score", "r")
