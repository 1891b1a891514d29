from pathlib import Path

from assay.corpus.example import Entity, Example
from assay.expectations.cost_classes import cost_class_checks
from assay.recipes.recipe import Recipe
from tests.snapshots import recipe_values, write_snapshot

ROWS = [
    Example("a", "Acme rises", label="up", entities=(Entity(0, 4, "ORG"),)),
    Example("b", "Acme falls", label="down", entities=(Entity(0, 4, "ORG"),)),
]


def recipe_with(head: str, costs: dict[str, float]) -> Recipe:
    return Recipe.model_validate(
        recipe_values(
            model={"scratch": {}, "heads": ["sentence", "tokens"]},
            gate={"min_f1": {"sentence": 0.5, "tokens": 0.5}},
            decision={head: {"costs": {"wrong": 5, "abstain": 1, "wrong_by_class": costs}}},
        )
    )


def test_cost_class_checks_refuse_a_class_that_no_row_has(tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path / "snapshot", ROWS).load()
    (check,) = cost_class_checks(snapshot, recipe_with("sentence", {"dawn": 9, "up": 7}))
    assert (check.passed, check.severity, check.invalid_ids) == (False, "critical", ["dawn"])
    assert check.why == (
        "decision.sentence.costs.wrong_by_class names the class 'dawn', which the data does not have; "
        "did you mean 'down'?"
    )


def test_cost_class_checks_pass_entity_types_of_the_rows(tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path / "snapshot", ROWS).load()
    assert cost_class_checks(snapshot, recipe_with("tokens", {"ORG": 9}))[0].passed
    (check,) = cost_class_checks(snapshot, recipe_with("tokens", {"zzz": 9}))
    assert check.why.endswith("which the data does not have (it has 'ORG')")


def test_cost_class_checks_are_made_only_where_costs_name_classes(tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path / "snapshot", ROWS).load()
    assert cost_class_checks(snapshot, recipe_with("tokens", {})) == []
    assert cost_class_checks(snapshot, Recipe.model_validate(recipe_values())) == []
