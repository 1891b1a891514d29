"""Whether `source.label_map` and the labels of the rows fit each other."""

from pathlib import Path

import pytest

from corpus.example import Example
from corpus.snapshot import Snapshot, SnapshotWriter
from expectations.label_map import label_map_checks
from recipes.recipe import Recipe
from tests.snapshots import recipe_values


def snapshot_of(folder: Path, labels: list[str]) -> Snapshot:
    with SnapshotWriter(folder, [], {}) as writer:
        writer.add([Example(str(number), f"text {number}", label=label) for number, label in enumerate(labels)])
        writer.finish()
    return Snapshot.load(folder)


def recipe_with(mapping: dict[str, str], labels: list[str] | None = None) -> Recipe:
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": {"label": "label"}, "label_map": mapping}
    return Recipe.model_validate(recipe_values(source=source, validation={"labels": labels}))


@pytest.mark.parametrize(
    ("mapping", "labels", "severity", "parts"),
    [
        ({"0": "bear", "1": "bull", "22": "flat"}, ["bear", "bull", "2"], "critical", ["'2' of 1 rows", "'22'"]),
        ({"pos": "good", "negatve": "bad"}, ["good", "negative"], "critical", ["correct the entry 'negatve'"]),
        ({"0": "bear", "1": "bull"}, ["bear", "bull", "2"], "warning", ["add '2': '2'"]),
        ({"0": "bear", "1": "bull", "9": "odd"}, ["bear", "bull"], "warning", ["no row has the label of the entries"]),
    ],
)
def test_label_map_checks_name_what_does_not_fit(
    tmp_path: Path, mapping: dict[str, str], labels: list[str], severity: str, parts: list[str]
) -> None:
    [check] = label_map_checks(snapshot_of(tmp_path, labels), recipe_with(mapping))
    assert (check.severity, check.passed) == (severity, False)
    assert all(part in check.why for part in parts)
    assert "\n" not in check.why


def test_label_map_checks_pass_where_both_fit(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path, ["bear", "bull", "other"])
    [check] = label_map_checks(snapshot, recipe_with({"0": "bear", "1": "bull"}, ["bear", "bull", "other"]))
    assert check.passed
    assert label_map_checks(snapshot, recipe_with({})) == []
