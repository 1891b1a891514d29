from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from assay.corpus.example import Entity, Example, Head
from assay.corpus.snapshot import Snapshot
from assay.corpus.splitting.assignment import (
    BESIDE_TEST,
    BESIDE_VALIDATION,
    JOINS,
    OF_TEST,
    Assignment,
    read_rows,
)
from assay.corpus.splitting.split_settings import Split
from assay.corpus.splitting.split_warnings import NAMES_SHOWN, new_ledger, split_warnings
from assay.corpus.splitting.stratify import NO_SPLIT, TEST, TRAIN, VALIDATION
from tests.snapshots import write_snapshot

BOTH: tuple[Head, Head] = ("sentence", "tokens")


def example(number: int, label: str = "a", group: str | None = None, kind: str = "LOC") -> Example:
    return Example(
        str(number),
        f"{chr(97 + number // 26)}{chr(97 + number % 26)}",
        label=label,
        group=group,
        entities=(Entity(0, 2, kind),),
    )


def warnings(
    tmp_path: Path,
    rows: Sequence[Example],
    split_of: Sequence[int],
    heads: Sequence[Head] = BOTH,
    excluded: dict[str, int] | None = None,
    remembered: int = 0,
    **split: object,
) -> list[str]:
    settings = Split.model_validate(split)
    splitting_rows = read_rows(Snapshot.load(write_snapshot(tmp_path / "s", rows).path), settings)
    seen = np.zeros(len(rows), dtype=bool)
    assignment = Assignment(np.array(split_of, dtype=np.int8), seen, excluded or {}, remembered)
    return split_warnings("tiny", heads, settings, splitting_rows, assignment)


@pytest.mark.parametrize(
    "counts",
    [(80, 10, 10), (78, 12, 10), (84, 8, 8), (8, 1, 1), (6, 2, 2)],  # within a quarter of the share, or two rows
)
def test_split_warnings_are_empty_for_shares_as_requested(tmp_path: Path, counts: tuple[int, int, int]) -> None:
    split_of = [TRAIN] * counts[0] + [VALIDATION] * counts[1] + [TEST] * counts[2]
    rows = [example(number) for number in range(len(split_of))]
    assert warnings(tmp_path, rows, split_of) == []


def test_split_warnings_name_shares_that_are_far_off_and_the_largest_cluster(tmp_path: Path) -> None:
    rows = [example(number, group="one" if number < 15 else None) for number in range(40)]
    split_of = [TEST] * 15 + [TRAIN] * 21 + [VALIDATION] * 4
    [line] = warnings(tmp_path, rows, split_of)
    assert line == (
        "train, validation, test have 52.5%, 10.0%, 37.5% of the rows, and the recipe asks for 80.0%, 10.0%, 10.0%: "
        "the largest cluster of duplicates and groups, which stays whole, has 15 rows; add rows, or change "
        "split.train, split.validation and split.test"
    )


def test_split_warnings_name_the_ledger_as_a_cause_of_shares_and_ignore_excluded_rows(tmp_path: Path) -> None:
    rows = [example(number) for number in range(50)]
    split_of = [TRAIN] * 10 + [VALIDATION] * 10 + [TEST] * 10 + [NO_SPLIT] * 20
    [line] = warnings(tmp_path, rows, split_of, remembered=30)
    assert "have 33.3%, 33.3%, 33.3% of the rows" in line
    assert "rows keep the split of earlier runs (split.remember); add rows" in line


def test_split_warnings_take_published_shares_as_they_are(tmp_path: Path) -> None:
    rows = [example(number) for number in range(50)]
    assert warnings(tmp_path, rows, [TRAIN] * 5 + [VALIDATION] * 5 + [TEST] * 40, method="published") == []


def test_split_warnings_name_classes_and_types_without_a_test_row(tmp_path: Path) -> None:
    rows = [
        example(number, label="rare" if number == 0 else "a", kind="ONCE" if number == 0 else "LOC")
        for number in range(10)
    ]
    split_of = [TRAIN] * 8 + [VALIDATION, TEST]
    assert warnings(tmp_path, rows, split_of) == [
        "no test row has the class 'rare', so nothing is tested of it; add rows that have it",
        "no test row has the entity type 'ONCE', so nothing is tested of it; add rows that have it",
    ]
    (tmp_path / "s").rename(tmp_path / "before")
    assert warnings(tmp_path, rows, split_of, ["tokens"]) == [
        "no test row has the entity type 'ONCE', so nothing is tested of it; add rows that have it",
    ]


def test_split_warnings_show_a_few_of_many_names(tmp_path: Path) -> None:
    rows = [example(number, label=f"c{number:02}") for number in range(NAMES_SHOWN + 4)]
    split_of = [TRAIN] * (NAMES_SHOWN + 1) + [VALIDATION, TEST, TEST]
    untrained, untested = warnings(tmp_path, rows, split_of, ["sentence"])
    assert untrained.startswith("no training row has the class 'c11' (1 validation row), ")
    assert untested.startswith("no test row has the class 'c00', ")
    assert "'c09' and 2 more, so nothing is tested" in untested


def test_split_warnings_name_labels_that_only_held_out_rows_have(tmp_path: Path) -> None:
    rows = [
        example(number, label="odd" if number in (7, 8, 9) else "a", kind="NEW" if number == 9 else "LOC")
        for number in range(11)
    ]
    missed = "so the model misses it, and each such row is an error (validation.unseen_labels); add training rows that"
    assert warnings(tmp_path, rows, [TRAIN] * 7 + [VALIDATION] + [TEST] * 3) == [
        f"no training row has the class 'odd' (1 validation row, 2 test rows), {missed} have it",
        f"no training row has the entity type 'NEW' (1 test row), {missed} have it",
    ]


def test_split_warnings_count_rows_that_are_excluded_since_the_recipe_changed(tmp_path: Path) -> None:
    rows = [example(number) for number in range(10)]
    split_of = [TRAIN] * 8 + [VALIDATION, TEST]
    excluded = {BESIDE_TEST: 1_000, BESIDE_VALIDATION: 234, JOINS: 5, OF_TEST: 99}
    [line] = warnings(tmp_path, rows, split_of, excluded=excluded)
    assert line.startswith("1,234 rows of earlier runs and 5 new rows are excluded, since ")
    assert line.endswith(new_ledger("tiny"))
    (tmp_path / "s").rename(tmp_path / "before")
    assert warnings(tmp_path, rows, split_of, excluded={OF_TEST: 99, JOINS: 5}) == []


def test_new_ledger_names_the_file_of_the_recipe() -> None:
    assert new_ledger("tiny").startswith("delete ledger/tiny.parquet in the store")
