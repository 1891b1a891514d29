import io
import re
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from assay.cli.lineage_tables import ROWS_SHOWN, diff_tables, reproduction_tables
from assay.registry.lineage.change import Change
from assay.registry.lineage.correction_effect import CorrectionEffect, ScoreEffect
from assay.registry.lineage.version_diff import RowChange, VersionDiff
from assay.tasks.reproduce import Match, Reproduction


def printed(table: Table) -> list[list[str]]:
    """Return the cells of each printed line, the headings first."""
    screen = Console(file=io.StringIO(), width=200, color_system=None, markup=False, emoji=False)
    screen.print(table)
    assert isinstance(screen.file, io.StringIO)
    lines = [line for line in screen.file.getvalue().splitlines() if line[0] in "│┃"]
    return [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines]


def a_diff(**parts: Any) -> VersionDiff:
    none: dict[str, Any] = {part: [] for part in ("recipe", "data", "metrics", "environment", "rows")}
    return VersionDiff(name="news", before="3", after="12", **{**none, **parts})


def a_reproduction(*matches: Match, environment: tuple[Change, ...] = ()) -> Reproduction:
    return Reproduction(
        model="models:/news/3",
        matches=list(matches),
        environment=list(environment),
        steps=12_345,
        mlflow_run="r",
        folder=Path("x"),
    )


def test_diff_tables_of_equal_versions_are_none() -> None:
    assert list(diff_tables(a_diff())) == []


def test_diff_tables_show_each_part_that_differs_in_a_fixed_order() -> None:
    change = Change(what="training.epochs", before=2, after=None)
    tables = list(
        diff_tables(
            a_diff(
                environment=[change],
                metrics=[Change(what="f1", before=0.1 + 0.2, after=0.5)],
                data=[Change(what="rows", before=None, after=1_000)],
                recipe=[change, Change(what="name [bold]", before="a", after="b")],
            )
        )
    )
    assert [table.title for table in tables] == [
        "news: recipe", "news: data", "news: metrics", "news: environment"
    ]  # fmt: skip
    heading = ["", "version 3", "version 12"]
    assert [printed(table) for table in tables] == [
        [heading, ["training.epochs", "2", "-"], ["name [bold]", "a", "b"]],
        [heading, ["rows", "-", "1000"]],
        [heading, ["f1", "0.30000000000000004", "0.5"]],
        [heading, ["training.epochs", "2", "-"]],
    ]


def test_diff_tables_count_rows_by_their_change_of_split_and_name_the_first() -> None:
    many = [RowChange(id=f"r{number}", before="train", after="test") for number in range(ROWS_SHOWN + 1)]
    few = [RowChange(id="gone", before="validation", after=None), RowChange(id="new", before=None, after="train")]
    [table] = diff_tables(a_diff(rows=[*few, *many]))
    assert table.title == "news: splits of rows"
    assert printed(table) == [
        ["version 3", "version 12", "rows", "examples"],
        ["train", "test", "6", "r0, r1, r2, r3, r4"],
        ["validation", "-", "1", "gone"],
        ["-", "train", "1", "new"],
    ]


def test_diff_tables_show_the_scores_of_both_versions_on_both_labels() -> None:
    effect = CorrectionEffect(
        rows={"train": 1_200, "": 3},
        authors={"anna": 1_203},
        scores=[ScoreEffect(version="3", head="sentence", before=0.5, after=0.61234, rows=1_000)],
    )
    [table] = diff_tables(a_diff(corrections=effect))
    assert table.title == "news: corrected labels alone (1,200 train, 3 without a split)"
    assert printed(table) == [
        ["F1 on test rows", "corrected rows", "labels of 3", "labels of 12"],
        ["version 3, sentence", "1,000", "0.5000", "0.6123"],
    ]


def test_diff_tables_show_corrections_of_rows_that_no_version_was_tested_on() -> None:
    [table] = diff_tables(a_diff(corrections=CorrectionEffect(rows={"train": 1}, authors={}, scores=[])))
    assert table.title == "news: corrected labels alone (1 train)"
    assert len(printed(table)) == 1


def test_reproduction_tables_tell_equal_results_from_others() -> None:
    digest = "0123456789abcdef"
    equal = Match(what="splits", then=digest, now=digest)
    other = Match(what="metrics", then=digest, now="f" * 16, details="f1 0.5 -> 0.4")
    [table] = reproduction_tables(a_reproduction(equal, other))
    assert table.title == "models:/news/3, trained again: 12,345 steps"
    assert printed(table) == [
        ["result", "then", "now", ""],
        ["splits", "0123456789ab", "0123456789ab", "equal"],
        ["metrics", "0123456789ab", "ffffffffffff", "DIFFERS f1 0.5 -> 0.4"],
    ]


def test_reproduction_tables_show_a_changed_environment() -> None:
    change = Change(what="torch", before="2.1", after="2.2")
    _, environment = reproduction_tables(a_reproduction(environment=(change,)))
    assert environment.title == "differences in the environment"
    assert printed(environment) == [["", "then", "now"], ["torch", "2.1", "2.2"]]
