import shutil
from dataclasses import replace

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.overlay import AddedText, add_corrections, added_id, overlay_path
from assay.tasks.version_rows import held_out_rows, names_of, open_version
from tests.corpus.test_corrected_rows import correction
from tests.tasks.conftest import MakeBundle
from tests.versions import MakeVersion


def test_names_of_a_bundle_are_its_classes_and_types(make_bundle: MakeBundle) -> None:
    names = names_of(make_bundle(classes={"good": "up", "bad": "down"}, entities={"Apple": "ORG"}).manifest)
    assert (names.classes, names.entity_types, names.pair) == (["down", "up"], ["ORG"], False)


def test_open_version_reads_rows_without_those_that_people_have_decided(make_version: MakeVersion) -> None:
    made = make_version("first")
    store, uri = made.run.store, made.run.tracking_uri
    decided = next(row for row in made.snapshot.load().examples() if made.splits.split_of[row.id] == "test")
    new = correction(Example(added_id("new"), "new"), decision="added", label="up", added=AddedText(text="new"))
    # and one row with a decision about a text that it no longer has,
    other = next(row for row in made.snapshot.load().examples() if made.splits.split_of[row.id] == "validation")
    stale = correction(replace(other, text="an older text"), label="up")
    history = [correction(decided, decision="confirmed"), new, stale]
    add_corrections(overlay_path(store, made.run.recipe.name), history)

    with open_version("models:/tiny/1", uri, store) as version:
        rows = held_out_rows(version, store)
        labelled = [row.id for row in version.labelled(store)]

    expected = {row for row, split in made.splits.split_of.items() if split in ("validation", "test")} - {decided.id}
    assert {row.example.id for row in rows} == expected
    assert {row.split for row in rows} == {"validation", "test"}
    assert len(labelled) == 61
    assert labelled[-1] == new.id
    # then rows that were fetched are gone
    assert not list(store.glob("labels/**/*.parquet"))


def test_open_version_names_a_version_that_is_not_there(make_version: MakeVersion) -> None:
    made = make_version("first")
    shutil.rmtree(made.run.store / "labels", ignore_errors=True)
    with pytest.raises(AssayError, match="tiny"), open_version("models:/tiny/7", made.run.tracking_uri, made.run.store):
        raise AssertionError("the version is open")
