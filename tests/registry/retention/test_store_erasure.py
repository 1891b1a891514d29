from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from assay.corpus.example import Example
from assay.corpus.overlay import (
    AddedText,
    Correction,
    add_corrections,
    added_id,
    erase_corrections,
    overlay_path,
    read_overlay,
    text_digest,
)
from assay.corpus.snapshot import SnapshotWriter
from assay.corpus.storage.object_store import SharedStore
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.task_formats import LabelNames, TaskFormat, write_tasks
from assay.registry.retention.store_erasure import added_ids, erase_copy, find_copies, find_corrections
from tests.snapshots import make_run


def correction(row: str) -> Correction:
    return Correction(
        id=row, decision="corrected", label="good", text_digest=text_digest("a text"), author="anna",
        at=datetime.now(UTC), origin="done.jsonl",
    )  # fmt: skip


ROW = Example("r77", "a private text", label="good")
OTHER = Example("r78", "a public text", label="good")


def added(row: Example) -> Correction:
    return Correction(
        id=added_id(row.text), decision="added", label="good", text_digest=text_digest(row.text), author="anna",
        added=AddedText(text=row.text), at=datetime.now(UTC), origin="done.jsonl",
    )  # fmt: skip


def store_with_rows(store: Path) -> Path:
    """Return a store whose source holds two rows by now."""
    run = make_run(store, "first")
    run.folder.mkdir(parents=True)

    def write(folder: Path) -> None:
        with SnapshotWriter(folder, [], {}) as writer:
            for row in (ROW, OTHER):
                writer.add([row])
            writer.finish()

    run.once("extract", {}, write)
    return store


def test_added_ids_find_a_row_that_people_added_by_the_id_that_the_source_gives_it_later(tmp_path: Path) -> None:
    store = store_with_rows(tmp_path)
    path = overlay_path(store, "news")
    add_corrections(path, [added(ROW), added(OTHER)])

    ids = ["r77", *added_ids(store, ["r77"])]

    assert ids == ["r77", added_id(ROW.text)]
    [found] = find_corrections(store, ids)
    assert found.rows == [added_id(ROW.text)]
    assert erase_corrections(path, found.rows) == 1
    assert ROW.text not in path.read_text()
    assert added_ids(store, ["r77"]) == []


@pytest.mark.parametrize("tool", get_args(TaskFormat))
def test_find_copies_names_the_task_files_that_hold_a_row(tmp_path: Path, tool: TaskFormat) -> None:
    store = store_with_rows(tmp_path)
    (store / "for people").mkdir()
    names = LabelNames(classes=["bad", "good"], entity_types=[], pair=False)
    for name, row in (("one", ROW), ("two", OTHER)):
        path = store / "for people" / f"{name}{'.csv' if tool == 'csv' else '.json'}"
        write_tasks([task_of(row.id, row.text)], path, tool, names, "models:/tiny/1")
    suggested = store / "suggested.jsonl"
    write_tasks([task_of(added_id(ROW.text), ROW.text)], suggested, "doccano", names, "models:/tiny/1")
    (store / "notes.json").write_text("no tasks")

    copies = list(find_copies(store, ["r77", *added_ids(store, ["r77"])], []))

    assert {copy.path.stem for copy in copies} == {"one", "suggested"}
    assert {copy.what for copy in copies} == {"tasks for an annotation tool"}
    for copy in copies:
        erase_copy(copy)
    assert not list(find_copies(store, ["r77"], []))


def task_of(row_id: str, text: str) -> LabelTask:
    return LabelTask(
        id=row_id, split=None, text=text, text_pair=None, label="good", entities=None, proposed_label="bad",
        proposed_entities=None, score=0.9, reason="the model says bad",
    )  # fmt: skip


def test_corrections_that_another_machine_has_shared_are_found_and_erased(bucket: str, tmp_path: Path) -> None:
    shared = SharedStore(bucket)
    here, there = overlay_path(tmp_path / "here", "news"), overlay_path(tmp_path / "there", "news")
    add_corrections(here, [correction("r1")], shared)
    add_corrections(there, [correction("r2#one")], shared)
    for store, rows in ((tmp_path / "here", ["r1", "r2"]), (tmp_path / "new", ["r2"])):
        found = list(find_corrections(store, rows, shared))
        assert [stored.path for stored in found] == [overlay_path(store, "news")]
        assert erase_corrections(found[0].path, found[0].rows, shared) > 0
        assert not list(find_corrections(store, rows, shared))
        add_corrections(there, [correction("r2#one")], shared)
    erase_corrections(here, ["r2#one"], shared)
    assert not read_overlay(here).latest
