from pathlib import Path
from typing import Any

import pytest

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.corpus.splits import Splits
from assay.evaluation.data_report import LabelMapUse, TagRecovery
from assay.evaluation.data_report_parts import of_checks, of_encoding, of_rows, of_splits
from assay.evaluation.tag_check import ENTITIES, HALF_WORDS, SHARE
from assay.expectations.validation_report import CheckResult, ValidationReport
from assay.recipes.recipe import Recipe
from tests.snapshots import recipe_values, write_snapshot


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    (tmp_path / "s").mkdir()
    with SnapshotWriter(tmp_path / "s", [], {}) as writer:
        for number in range(6):
            label = "ab"[number % 2]
            entities = (Entity(0, 4, "ORG"),) if number < 2 else ()
            writer.add([Example(str(number), "Acme " * (number + 1), label=label, entities=entities)])
        for number in range(3):
            writer.add([], [(f"x{number}", "text is null", {})])
        writer.finish()
    return Snapshot.load(tmp_path / "s")


def a_recipe(**parts: Any) -> Recipe:
    return Recipe.model_validate(recipe_values(**parts))


def a_report(*checks: CheckResult, **metrics: float) -> ValidationReport:
    return ValidationReport(kind="joint", snapshot="s", rows=6, checks=list(checks), metrics=metrics)


def a_check(name: str, measured: str, count: int = 0) -> CheckResult:
    return CheckResult(
        name=name, severity="warning", passed=False, measured=measured, required="", why="", invalid_count=count
    )


def test_of_rows_are_rejects_and_samples(snapshot: Snapshot) -> None:
    parts = of_rows(snapshot, a_recipe())
    [reject] = parts["rejects"]
    assert (reject.kind, reject.count, reject.example) == ("text is null", 3, "row x0: text is null")
    assert parts["samples"]
    assert parts["samples"][0].text.startswith("[Acme](ORG)")


def test_of_checks_holds_what_some_of_them_measured(snapshot: Snapshot) -> None:
    checks = [a_check("contradictions", "4", count=4), a_check("duplicates", "12.5%")]
    parts = of_checks(a_report(*checks, **{ENTITIES: 2.0, SHARE: 0.5, HALF_WORDS: 0.25}), snapshot, a_recipe())
    assert parts["checks"] == checks
    assert (parts["contradictions"], parts["near_duplicates"]) == (4, 0.125)
    assert parts["tags"] == TagRecovery(entities=2, recovered=0.5, half_words=0.25)
    assert parts["label_map"] is None


@pytest.mark.parametrize("checks", [(), (a_check("duplicates", "not measured"),)])
def test_of_checks_leaves_out_what_was_not_measured(snapshot: Snapshot, checks: tuple[CheckResult, ...]) -> None:
    parts = of_checks(a_report(*checks), snapshot, a_recipe())
    assert (parts["contradictions"], parts["near_duplicates"], parts["tags"]) == (None, None, None)


def test_of_checks_tells_what_the_label_map_does(snapshot: Snapshot) -> None:
    source = {**recipe_values()["source"], "label_map": {"1": "a", "2": "new"}}
    mapped = of_checks(a_report(), snapshot, a_recipe(source=source))["label_map"]
    assert mapped == LabelMapUse(unmapped=["b"], unused=["1", "2"])
    allowed = a_recipe(source=source, validation={"labels": ["a", "b"]})
    assert of_checks(a_report(), snapshot, allowed)["label_map"].unmapped == []


def test_of_splits_counts_labels_by_split_or_in_all(snapshot: Snapshot) -> None:
    whole = of_splits(snapshot, None)
    assert set(whole) == {"classes", "row_labels", "entity_types"}
    assert [(label.name, label.total, label.train) for label in whole["classes"]] == [("a", 3, 0), ("b", 3, 0)]
    splits = Splits.create(
        {"0": "train", "1": "train", "2": "test"},
        snapshot="s",
        method="test",
        excluded={"duplicate": 3},
        warnings=["small"],
    )
    parts = of_splits(snapshot, splits)
    assert parts["splits"] == {"train": 2, "validation": 0, "test": 1}
    assert (parts["excluded"], parts["warnings"]) == ({"duplicate": 3}, ["small"])
    [kind] = parts["entity_types"]
    assert (kind.name, kind.total, kind.train, kind.test) == ("ORG", 2, 2, 0)


def test_of_encoding_measures_rows_beyond_the_length_of_the_model(snapshot: Snapshot) -> None:
    model = {"scratch": {"vocabulary": 100}, "heads": ["sentence"], "max_length": 8}
    truncation = of_encoding(snapshot, a_recipe(model=model))["truncation"]
    assert (truncation.rows, truncation.max_length) == (6, 8)
    assert truncation.truncated == 0


def test_of_splits_counts_each_of_several_labels_of_a_row(tmp_path: Path) -> None:
    rows = [Example(str(number), f"text {number}", labels=("x", "y") if number else ()) for number in range(3)]
    snapshot = Snapshot.load(write_snapshot(tmp_path / "several", rows).path)
    splits = Splits.create({"0": "train", "1": "train", "2": "test"}, snapshot="s", method="test")
    counts = [(label.name, label.total, label.train, label.test) for label in of_splits(snapshot, splits)["row_labels"]]
    assert counts == [("x", 2, 1, 1), ("y", 2, 1, 1)]
