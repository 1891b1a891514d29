from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.expectations.snapshot_check import check_snapshot
from assay.expectations.validation_report import CheckResult, ValidationReport
from assay.recipes.recipe import Recipe

MakeRecipe = Callable[..., Recipe]
MakeSnapshot = Callable[..., Snapshot]


def failed(report: ValidationReport) -> dict[str, CheckResult]:
    return {check.name: check for check in report.checks if not check.passed}


def invalid_ids(report: ValidationReport) -> dict[str, list[str]]:
    # That the rows of these tests are few is about none of them.
    return {name: check.invalid_ids for name, check in failed(report).items() if name != "few rows"}


def test_check_snapshot_passes_valid_rows(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, joint: list[Example], tmp_path: Path
) -> None:
    recipe = make_recipe(
        ("sentence", "tokens"),
        validation={"labels": ["up", "down"], "entity_labels": ["COMPANY"]},
        split={"method": "published"},
    )
    split_of = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    snapshot = make_snapshot([replace(row, split=split_name) for row, split_name in zip(joint, split_of, strict=True)])

    report = check_snapshot(snapshot, recipe, tmp_path / "docs")

    assert [*failed(report)] == ["few rows"]
    assert report.critical_failed == []
    assert report.rows == 8
    assert report.snapshot == snapshot.digest
    measured = {check.name: check.measured for check in report.checks}
    assert measured["schema"] == "0 of 9 columns"
    assert measured["text length"] == "0 of 8 rows"
    assert measured["rows of a class"] == "4"
    assert measured["class balance"] == "50.0%"


def test_check_snapshot_takes_an_empty_list_of_names_for_none_allowed(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, joint: list[Example], tmp_path: Path
) -> None:
    recipe = make_recipe(("sentence", "tokens"), validation={"labels": [], "entity_labels": []})
    report = check_snapshot(make_snapshot(joint), recipe, tmp_path / "docs")
    ids = {row.id for row in joint}
    assert {name: set(checks) for name, checks in invalid_ids(report).items()} == {
        "unknown label": ids,
        "unknown tags": ids,
    }


FAULTY_ROWS = {
    "blank": ("blank text", {"text": " \n", "entities": ()}),
    "long": ("text length", {"text": "word " * 50, "entities": ()}),
    "no class": ("missing label", {"label": None}),
    "odd class": ("unknown label", {"label": "sideways"}),
    "no list": ("missing entities", {"entities": None}),
    "outside": ("entity offsets", {"entities": (Entity(0, 999, "COMPANY"),)}),
    "empty": ("empty entities", {"entities": (Entity(2, 2, "COMPANY"),)}),
    "no type": ("entity types", {"entities": (Entity(0, 4, ""),)}),
    "overlap": ("overlapping entities", {"entities": (Entity(0, 15, "COMPANY"), Entity(5, 15, "COMPANY"))}),
    "space": ("white space at entities", {"entities": (Entity(4, 9, "COMPANY"),)}),
    "cut": ("entities that cut a word", {"entities": (Entity(0, 3, "COMPANY"),)}),
    "tag": ("unknown tags", {"entities": (Entity(0, 4, "PLANET"),)}),
}


@pytest.fixture(scope="module")
def faulty(make_snapshot: MakeSnapshot, joint: list[Example]) -> Snapshot:
    """The clean rows, and a row for each fault."""
    base = Example(id="", text="", label="up", entities=())
    changes: list[tuple[str, Any]] = [(name, values) for name, (_, values) in FAULTY_ROWS.items()]
    rows = [replace(base, **{"text": f"acme industries {name}", **values}, id=name) for name, values in changes]
    return make_snapshot(joint + rows)


@pytest.fixture(scope="module")
def strict(make_recipe: MakeRecipe) -> Recipe:
    limits = {"labels": ["up", "down"], "entity_labels": ["COMPANY"], "max_text_length": 100, "min_class_rows": 2}
    return make_recipe(("sentence", "tokens"), validation=limits)


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def faulty_report(faulty: Snapshot, strict: Recipe, docs: Path) -> ValidationReport:
    return check_snapshot(faulty, strict, docs)


def test_check_snapshot_names_each_faulty_row(faulty_report: ValidationReport) -> None:
    named = invalid_ids(faulty_report)
    for row, (check, _) in FAULTY_ROWS.items():
        assert row in named[check], check
    # and no clean row is named, and no other check fails but those that follow from the faults
    clean = {f"s{number}" for number in range(8)}
    assert not clean & {row for ids in named.values() for row in ids}
    other_checks = set(named) - {check for check, _ in FAULTY_ROWS.values()}
    assert other_checks == {"BIO tags", "rows of a class", "entities of a type"}
    assert {check.name for check in faulty_report.warnings} == {
        "white space at entities",
        "entities that cut a word",
        "entities of a type",
    }


def test_check_snapshot_reasons_name_row_value_and_remedy(faulty_report: ValidationReport) -> None:
    why = {name: check.why for name, check in failed(faulty_report).items()}
    assert why["text length"] == (
        "row 'long': the text has 250 characters, needs 1 to 100 characters (validation.max_text_length): "
        "drop or shorten the row at the source, or raise validation.max_text_length"
    )
    assert why["unknown label"] == (
        "row 'odd class' has the class 'sideways', needs one of up, down (validation.labels): "
        "add it to validation.labels, or map it to one of them in source.label_map"
    )
    assert why["entity offsets"].startswith(
        "row 'outside': COMPANY 0:999 'acme industries outside' in a text of 23 characters, "
        "needs entities inside the text: correct start and end at the source"
    )
    assert why["rows of a class"] == (
        "class 'sideways' has 1 row, needs at least 2 (validation.min_class_rows): "
        "add rows, or map it to another class in source.label_map"
    )


def test_check_snapshot_writes_data_docs_of_all_checks_and_invalid_rows(
    faulty_report: ValidationReport, docs: Path
) -> None:
    [page] = docs.rglob("validations/**/*.html")
    text = page.read_text(encoding="utf-8")
    for check in faulty_report.checks:
        assert f"{check.name}: {check.required}" in text
        assert all(row in text for row in check.invalid_ids)


def test_check_snapshot_is_independent_of_the_division_into_frames(
    faulty: Snapshot, strict: Recipe, faulty_report: ValidationReport, tmp_path: Path
) -> None:
    assert check_snapshot(faulty, strict, tmp_path, rows_per_frame=9) == faulty_report


@pytest.mark.parametrize(
    ("change", "check", "why"),
    [
        (lambda rows: rows[:3], "rows", "the snapshot has 3 rows, needs at least 4 rows (validation.min_rows)"),
        (lambda rows: [], "rows", "the snapshot has 0 rows"),
        (lambda rows: rows[::2], "classes", "the snapshot has 1 class, needs at least 2 classes"),
        (
            lambda rows: [replace(row, id="x") if index < 3 else row for index, row in enumerate(rows)],
            "unique ids",
            "2 rows repeat the id of an earlier row, needs ids that occur once: name a field that is unique in "
            "source.fields.id, or leave it out to number the rows (2 in all: 'x', 'x')",
        ),
        (lambda rows: [replace(row, label=None) for row in rows], "missing label", "row 's0' has no class"),
        (
            lambda rows: [replace(row, label="odd") if row.id == "s3" else row for row in rows],
            "rows of a class",
            "class 'odd' has 1 row, needs at least 2 (validation.min_class_rows)",
        ),
    ],
)
def test_check_snapshot_stops_on_faults_of_the_whole(
    make_recipe: MakeRecipe,
    make_snapshot: MakeSnapshot,
    sentences: list[Example],
    tmp_path: Path,
    change: Callable[[list[Example]], list[Example]],
    check: str,
    why: str,
) -> None:
    report = check_snapshot(make_snapshot(change(sentences)), make_recipe(), tmp_path / "docs")
    checks = {result.name: result for result in report.critical_failed}
    assert checks[check].why.startswith(why)


def test_check_snapshot_only_reports_imbalance_duplicates_contradictions_and_rejects(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, sentences: list[Example], tmp_path: Path
) -> None:
    rows = sentences + [replace(row, id=f"copy of {row.id}", text=row.text.upper(), label="up") for row in sentences]
    recipe = make_recipe(validation={"max_class_share": 0.7, "max_duplicate_share": 0.4})

    report = check_snapshot(make_snapshot(rows, rejects=[("r", "no text", {})]), recipe, tmp_path / "docs")

    assert report.critical_failed == []
    assert {check.name for check in report.warnings} == {
        "few rows",
        "class balance",
        "duplicates",
        "contradictions",
    }
    assert invalid_ids(report)["class balance"] == ["up"]
    assert invalid_ids(report)["duplicates"] == [f"copy of s{number}" for number in range(8)]
    assert invalid_ids(report)["contradictions"] == ["s0", "s2", "s4", "s6"] + [f"copy of s{n}" for n in (0, 2, 4, 6)]
    assert failed(report)["duplicates"].measured == "50.0%"
    assert failed(report)["rejects"].severity == "info"
    assert failed(report)["rejects"].why.startswith("5.88% of the source could not be read")


def test_check_snapshot_stops_on_labels_that_train_lacks(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, joint: list[Example], tmp_path: Path
) -> None:
    rows = [replace(row, split="train" if row.label == "up" else "test") for row in joint]
    rows[0] = replace(rows[0], entities=(Entity(0, 5, "PLACE"),))
    rows[1] = replace(rows[1], split=None)
    recipe = make_recipe(("sentence", "tokens"), split={"method": "published"})

    report = check_snapshot(make_snapshot(rows), recipe, tmp_path / "docs")

    checks = {check.name: check for check in report.critical_failed}
    assert set(checks) == {"unseen classes", "unseen types", "published split"}
    assert checks["unseen classes"].why.startswith("class 'down' is not in train, 4 of them in 'test'")
    assert checks["unseen types"].invalid_ids == ["PLACE"]
    assert checks["published split"].invalid_ids == ["s1"]


def test_check_snapshot_leaves_labels_that_count_as_missed_to_the_split(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, joint: list[Example], tmp_path: Path
) -> None:
    rows = [replace(row, split="train" if row.label == "up" else "test") for row in joint]
    rows[0] = replace(rows[0], entities=(Entity(0, 5, "PLACE"),))
    heads, limits = ("sentence", "tokens"), {"min_class_rows": 1, "unseen_labels": "count_as_missed"}
    recipe = make_recipe(heads, split={"method": "published"}, validation=limits)
    report = check_snapshot(make_snapshot(rows), recipe, tmp_path / "docs")
    assert not report.critical_failed
    assert not {"unseen classes", "unseen types"} & {check.name for check in report.checks}


def test_check_snapshot_requires_a_second_text_of_pairs(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, sentences: list[Example], tmp_path: Path
) -> None:
    rows = [replace(row, text_pair=f"passage {row.id}") for row in sentences]
    rows[2] = replace(rows[2], text_pair=None)
    rows[3] = replace(rows[3], text_pair="")

    report = check_snapshot(make_snapshot(rows), make_recipe(fields={"text_pair": "passage"}), tmp_path / "docs")

    assert invalid_ids(report) == {
        "missing second text": ["s2"],
        "blank second text": ["s3"],
        "second text length": ["s3"],
    }


def test_check_snapshot_checks_only_the_schema_of_other_columns(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, sentences: list[Example], tmp_path: Path
) -> None:
    snapshot = make_snapshot(sentences)
    path = snapshot.part_paths()[0]
    pq.write_table(pq.read_table(path).drop_columns(["text"]), path)

    report = check_snapshot(snapshot, make_recipe(), tmp_path / "docs")

    assert [check.name for check in report.checks] == ["schema"]
    assert report.stop_line() == (
        "validation: column 'text': part-00000.parquet: the column is missing, needs the columns and types of a "
        "snapshot: run the extraction again with --from extract"
    )
