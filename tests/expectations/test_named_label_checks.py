from typing import Any

import pytest

from assay.corpus.example import Entity, Example
from assay.expectations.named_label_checks import named_label_checks
from tests.expectations.conftest import MakeRecipe, MakeSnapshot

ROWS = [
    Example(id=f"r{n}", text="Acme rose", label="up" if n % 2 else "down", entities=(Entity(0, 4, "ORG"),))
    for n in range(4)
]
HEADS = ("sentence", "tokens")


def gate(**recalls: dict[str, float]) -> dict[str, Any]:
    return {"min_f1": dict.fromkeys(HEADS, 0.5), "min_recall": recalls}


def costs(**classes: float) -> dict[str, Any]:
    return {"costs": {"wrong": 5, "abstain": 1, "wrong_by_class": classes}}


def test_named_label_checks_name_the_nearest_class_and_type(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot
) -> None:
    recipe = make_recipe(
        HEADS,
        gate=gate(sentence={"up": 0.9, "dwon": 0.9}, tokens={"ORGS": 0.8}),
        decision={"sentence": costs(dawn=9, up=7)},
    )
    [check] = named_label_checks(make_snapshot(ROWS), recipe)
    assert (check.severity, check.passed) == ("critical", False)
    assert (check.invalid_ids, check.invalid_count) == (["dwon", "ORGS", "dawn"], 3)
    assert check.measured == "3 of 5 without a row"
    assert check.why == (
        "gate.min_recall.sentence names the class 'dwon', which the data does not have; did you mean 'down'?; "
        "gate.min_recall.tokens names the entity type 'ORGS', which the data does not have; did you mean 'ORG'?; "
        "decision.sentence.costs.wrong_by_class names the class 'dawn', which the data does not have; "
        "did you mean 'down'?"
    )


@pytest.mark.parametrize(
    "parts",
    [
        {"gate": gate(sentence={"up": 0.9})},
        {"gate": gate(tokens={"ORG": 0.9})},
        {"decision": {"tokens": costs(ORG=9)}},
    ],
)
def test_named_label_checks_pass_for_names_of_the_data(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, parts: dict[str, Any]
) -> None:
    [check] = named_label_checks(make_snapshot(ROWS), make_recipe(HEADS, **parts))
    assert (check.passed, check.why, check.measured) == (True, "", "0 of 1 without a row")


def test_named_label_checks_are_made_only_where_the_recipe_names_classes(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot
) -> None:
    snapshot = make_snapshot(ROWS)
    assert named_label_checks(snapshot, make_recipe(HEADS)) == []
    assert named_label_checks(snapshot, make_recipe(HEADS, decision={"tokens": costs()})) == []


def test_named_label_checks_list_the_first_names(make_recipe: MakeRecipe, make_snapshot: MakeSnapshot) -> None:
    unknown = {f"T{number}": 0.5 for number in range(30)}
    [check] = named_label_checks(make_snapshot(ROWS), make_recipe(HEADS, gate=gate(tokens=unknown)))
    assert (len(check.invalid_ids), check.invalid_count) == (20, 30)
