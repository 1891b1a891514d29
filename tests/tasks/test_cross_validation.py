"""Predictions of training rows by models that are really trained on the other folds: small ones, for one pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.overlay import add_corrections, overlay_path
from assay.corpus.splits import Splits
from assay.runs.step_result import newest_result
from assay.tasks.cross_validation import cross_validated_rows
from assay.tasks.version_rows import VersionRows, open_version
from tests.corpus.test_corrected_rows import correction
from tests.versions import Made, new_store, register_version

SMALL = {
    "scratch": {"layers": 1, "hidden": 16, "attention_heads": 2, "vocabulary": 100},
    "heads": ["sentence"],
    "max_length": 16,
}
FOLDS = 2

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Made:
    folder = tmp_path_factory.mktemp("folds")
    training = {"epochs": 1, "batch_size": 16}
    return register_version(new_store(folder, mlflow_database), folder, "first", model=SMALL, training=training)


@contextmanager
def opened(made: Made, clusters: dict[str, str]) -> Iterator[VersionRows]:
    """Open the version, with clusters of its rows."""
    with open_version("models:/tiny/1", made.run.tracking_uri, made.run.store) as version:
        splits = Splits.create(
            version.splits.split_of, snapshot=version.snapshot.digest, method="stratified", clusters=clusters
        )
        yield replace(version, splits=splits)


def folds_of(version: VersionRows) -> list[Splits]:
    return [Splits.load(path) for path in sorted(version.run.folder.glob("fold-*"))]


@pytest.mark.slow  # trains and exports a network per fold
def test_cross_validated_rows_are_those_that_nobody_decided_about_each_from_a_model_of_the_other_folds(
    made: Made,
) -> None:
    # given pairs of rows that belong together, and one row with the decision of a person
    training = made.splits.ids("train")
    pairs = {row: f"pair {number // 2}" for number, row in enumerate(training)}
    rows = {row.id: row for row in made.snapshot.load().examples()}
    decided = rows[training[0]]
    add_corrections(overlay_path(made.run.store, "tiny"), [correction(decided, decision="confirmed")])

    with opened(made, pairs) as version:
        found = list(cross_validated_rows(version, made.run.store, FOLDS))
        folds = folds_of(version)

    # then each other training row is predicted once, with its labels,
    assert sorted(row.example.id for row in found) == sorted(set(training) - {decided.id})
    assert {row.split for row in found} == {"train"}
    assert all(row.example == rows[row.example.id] for row in found)
    assert {row.prediction.label for row in found} <= {"up", "down"}
    # each training row is left out of one training, with its pair, and in all others,
    held_out = [set(fold.ids("test")) for fold in folds]
    assert sorted(row for ids in held_out for row in ids) == sorted(training)
    assert all(len({pairs[row] for row in ids}) * 2 - len(ids) in (0, 1) for ids in held_out)
    assert all(set(fold.ids("train")) == set(training) - ids for fold, ids in zip(folds, held_out, strict=True))
    assert max(map(len, held_out)) - min(map(len, held_out)) <= 2
    # validation rows choose the epoch as before, and test rows are in none
    assert all(fold.ids("validation") == made.splits.ids("validation") for fold in folds)
    # and the models differ, so that rows were not all predicted by one
    assert len({row.prediction.probabilities for row in found}) > 1


@pytest.mark.parametrize("folds", [2, 5])
def test_cross_validated_rows_refuse_a_fold_that_holds_all_rows_of_a_class(made: Made, folds: int) -> None:
    rows = {row.id: row for row in made.snapshot.load().examples()}
    one_class = {row: "all down" for row in made.splits.ids("train") if rows[row].label == "down"}
    with (
        opened(made, one_class) as version,
        pytest.raises(AssayError, match=f"--cross-validate {folds}: all training rows of the class 'down' are in fold"),
    ):
        list(cross_validated_rows(version, made.run.store, folds))
    # nothing was trained until then
    assert newest_result(version.run.folder, "train") is None
