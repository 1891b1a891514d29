from collections.abc import Callable
from pathlib import Path

import pytest

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.expectations.snapshot_check import check_snapshot
from assay.expectations.suites import suite_for
from assay.recipes.recipe import Recipe
from tests.expectations.test_joint import columns, names

MakeRecipe = Callable[..., Recipe]
MakeSnapshot = Callable[..., Snapshot]


def rows(*labels: tuple[str, ...] | None) -> list[Example]:
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    return [
        Example(f"r{number}", f"{words[number]} shares moved", labels=row, split="train")
        for number, row in enumerate(labels)
    ]


VALID = rows(("money",), ("money", "sport"), (), None, ("sport",), (), ("money",), None)


def test_check_snapshot_passes_labels_with_unlabelled_rows_and_rows_without_any(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, tmp_path: Path
) -> None:
    recipe = make_recipe(("labels",), validation={"row_labels": ["money", "sport"]})
    report = check_snapshot(make_snapshot(VALID), recipe, tmp_path)
    assert [check.name for check in report.checks if not check.passed] == ["few rows"]
    measured = {check.name: check.measured for check in report.checks}
    assert (report.kind, measured["rows of a label"], measured["label balance"]) == (
        "texts with labels",
        "2 to 3",
        "50.0%",
    )


def test_check_snapshot_stops_at_rare_and_unknown_labels(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, tmp_path: Path
) -> None:
    recipe = make_recipe(("labels",), validation={"row_labels": ["money"], "min_class_rows": 3})
    report = check_snapshot(make_snapshot(VALID), recipe, tmp_path)
    failed = {check.name: check.why for check in report.critical_failed}
    assert set(failed) == {"unknown row label", "rows of a label"}
    assert "label 'sport' has 2 rows" in failed["rows of a label"]
    assert "row 'r1' has the label 'sport'" in failed["unknown row label"]


def test_check_snapshot_stops_where_no_row_has_a_label(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, tmp_path: Path
) -> None:
    report = check_snapshot(make_snapshot(rows((), (), None, None)), make_recipe(("labels",)), tmp_path)
    assert [check.name for check in report.critical_failed] == ["row labels"]


def test_check_snapshot_takes_other_labels_of_the_same_text_for_a_contradiction(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, tmp_path: Path
) -> None:
    twice = [*VALID, Example("again", VALID[0].text, labels=("sport",))]
    report = check_snapshot(make_snapshot(twice), make_recipe(("labels",)), tmp_path)
    [check] = [check for check in report.checks if check.name == "contradictions"]
    assert not check.passed


@pytest.mark.parametrize(
    ("heads", "kind"),
    [
        (("labels",), "texts with labels"),
        (("sentence", "labels"), "sentences with labels"),
        (("labels", "tokens"), "texts with entities and labels"),
        (("sentence", "labels", "tokens"), "sentences with entities and labels"),
    ],
)
def test_suite_for_adds_the_checks_of_labels(make_recipe: MakeRecipe, heads: tuple[str, ...], kind: str) -> None:
    suite = suite_for(make_recipe(heads))
    assert suite.kind == kind
    assert "rows of a label" in names(suite.totals)
    assert ("label" in columns(suite)) == ("sentence" in heads)
    assert ("entities" in columns(suite)) == ("tokens" in heads)
