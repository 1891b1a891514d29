"""What a recipe may change before steps of a run are done again."""

from typing import Any

import pytest

from corpus.errors import AssayError
from recipes.recipe import Recipe
from tasks.redoing import check_changes
from tasks.run import Step
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
        ({"run_mode": "dry_run", "description": "another"}, "gate"),
        ({"registry": {"name": "other"}}, "export"),
        ({"gate": {"min_f1": {"sentence": 0.6}, "int8": "off"}}, "export"),
        ({"training": {"epochs": 2}, "model": {"scratch": {"layers": 1}, "heads": ["sentence"]}}, "train"),
        ({"tuning": TUNING, "training": {"epochs": 2}}, "tune"),
        ({"split": {"seed": 3}}, "split"),
        ({"validation": {"min_rows": 3}}, "validate"),
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
        ({"registry": {"name": "other"}}, "evaluate", "registry.name (read by export)", "--from export"),
        ({"gate": {"min_f1": {"sentence": 0.6}, "int8": "off"}}, "gate", "gate.int8 (read by export)", "--from export"),
        (
            {"gate": {"min_f1": {"sentence": 0.1}, "slices": {"text_length": True}}},
            "gate",
            "gate.min_f1.sentence (read by assess)",
            "--from assess",
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
