import json
import sys
from contextlib import nullcontext
from dataclasses import replace

import pytest

from assay import cli
from assay.registry.lineage.version_diff import VersionDiff, diff_versions
from assay.registry.lineage.version_lineage import lineages
from assay.runs.environment import current_environment, to_text
from assay.runs.tracking import ENVIRONMENT
from tests.versions import Made, MakeVersion


@pytest.fixture
def versions(make_version: MakeVersion) -> tuple[Made, Made]:
    """The second one has other rows, splits and settings, a worse model, and another processor."""
    first = make_version("first")
    worse, changes = {"good": "up", "bad": "up"}, {"training": {"epochs": 7}, "split": {"remember": False, "seed": 99}}
    second = make_version("second", range(5, 80), worse, **changes)
    second.client.log_text(
        second.run.mlflow_run, to_text({**current_environment(), "processor": "An Other"}), ENVIRONMENT
    )
    return first, second


def test_diff_versions_lists_every_difference(versions: tuple[Made, Made]) -> None:
    first, second = versions
    diff = diff_versions("tiny", "1", "2", first.run.tracking_uri)
    recipe = {change.what: (change.before, change.after) for change in diff.recipe}
    assert recipe == {"training.epochs": (10.0, 7.0), "split.remember": (True, False), "split.seed": (13, 99)}
    data = {change.what: (change.before, change.after) for change in diff.data}
    assert data["rows"] == (60, 75)
    assert data["splits"] == (first.splits.digest, second.splits.digest)
    assert "ledger" not in data
    accuracy = {change.what: (change.before, change.after) for change in diff.metrics}["sentence.accuracy"]
    assert accuracy == tuple(made.evaluation.metrics["sentence.accuracy"] for made in versions)
    assert [(change.what, change.after) for change in diff.environment] == [("processor", "An Other")]


def test_diff_versions_counts_the_rows_of_a_label(make_version: MakeVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_version("first")
    with lineages(made.run.tracking_uri, made.version.address) as (lineage,):
        pair = [
            replace(lineage, snapshot=lineage.snapshot.model_copy(update={"row_labels": counts}))
            for counts in ({"sport": 3, "money": 1}, {"sport": 5, "money": 1})
        ]
        monkeypatch.setattr("assay.registry.lineage.version_diff.lineages", lambda *_: nullcontext(pair))
        diff = diff_versions("tiny", "1", "1", made.run.tracking_uri)
    counted = [
        (change.what, change.before, change.after) for change in diff.data if change.what.startswith("row label")
    ]
    assert counted == [("row label sport", 3, 5)]


def test_diff_versions_lists_every_row_that_changed_its_split(versions: tuple[Made, Made]) -> None:
    first, second = (made.splits.split_of for made in versions)
    diff = diff_versions("tiny", "1", "2", versions[0].run.tracking_uri)
    rows = {row.id: (row.before, row.after) for row in diff.rows}
    assert {row for row, (before, after) in rows.items() if after is None} == {f"r{one}" for one in range(5)}
    assert {row for row, (before, after) in rows.items() if before is None} == {f"r{one}" for one in range(60, 80)}
    moved = {row for row in first.keys() & second.keys() if first[row] != second[row]}
    assert moved == {row for row, (before, after) in rows.items() if before and after}
    assert sum(diff.rows_by_change.values()) == len(diff.rows)


def test_diff_command_shows_tables_or_json(
    versions: tuple[Made, Made], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(versions[0].run.store)

    def shown(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["assay", "diff", "tiny", *words, "--store", store])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    tables = shown("1", "2")
    for title in ("tiny: recipe", "tiny: data", "tiny: metrics", "tiny: environment", "tiny: splits of rows"):
        assert title in tables
    assert VersionDiff.model_validate(json.loads(shown("1", "2", "--json"))).after == "2"
    assert "versions 1 and 1 of tiny do not differ" in shown("1", "1")
