import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from assay.corpus.documents.chunk import ChunkReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
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
from assay.corpus.snapshot import MANIFEST, Snapshot, SnapshotWriter
from assay.corpus.storage.object_store import SharedStore
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.task_formats import LabelNames, TaskFormat, write_tasks
from assay.flows.data_check import check_data
from assay.registry.retention.erasure import erase, plan_erasure
from assay.registry.retention.store_erasure import (
    added_ids,
    erase_copy,
    erase_rows,
    find_copies,
    find_corrections,
    is_one_of,
)
from assay.runs.lifecycle import run_lock
from tests.flows.tiny import make_recipe, write_rows
from tests.registry.retention.erasable import made, write
from tests.snapshots import make_run, write_snapshot


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


def test_erase_rows_leaves_no_id_of_an_erased_row_in_the_manifest(tmp_path: Path) -> None:
    run = make_run(tmp_path, "first")
    run.folder.mkdir(parents=True)
    reader = ChunkReader(DocumentFormat(format="tokens"), needs_label=False, needs_entities=True)
    documents = [
        Document(row, {"tokens": ["Anna"], "tags": [tag]}) for row, tag in (("r77", "B-PER"), ("r78", "S-PER"))
    ]

    def write(folder: Path) -> None:
        with SnapshotWriter(folder, [], {}) as writer:
            writer.add_chunk(reader.read(documents))
            writer.finish()

    folder = run.once("extract", {}, write).path
    erase_rows(folder, ["r77"])

    manifest = Snapshot.load(folder).manifest
    assert [(use.rows, use.example) for use in manifest.tag_uses] == [(1, None), (1, "r78")]
    assert "r77" not in (folder / MANIFEST).read_text()


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


def test_find_copies_names_a_table_whose_ids_begin_like_formulas(tmp_path: Path) -> None:
    path, names = tmp_path / "tasks.csv", LabelNames(classes=["bad", "good"], entity_types=[], pair=False)
    write_tasks([task_of("=7", "a text")], path, "csv", names, "models:/tiny/1")

    assert [copy.path for copy in find_copies(tmp_path, ["=7"], [])] == [path]


def task_of(row_id: str, text: str) -> LabelTask:
    return LabelTask(
        id=row_id, split=None, text=text, text_pair=None, label="good", entities=None, proposed_label="bad",
        proposed_entities=None, score=0.9, reason="the model says bad",
    )  # fmt: skip


def test_find_corrections_finds_those_that_another_machine_has_shared(bucket: str, tmp_path: Path) -> None:
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


def test_find_copies_finds_only_those_that_hold_a_row(store: Path) -> None:
    # given copies of a snapshot, those that one step or another leaves where it is broken off, and one without the row
    run, snapshot, splits = made(store, "first")
    downloaded = store / "monitoring" / "toy" / "runs" / "monitoring" / "snapshot" / "d"
    again = store / "reproductions" / "toy-1" / "runs" / "r"
    other = store / "reproductions" / "toy-2" / "runs" / "r" / "extract-1"
    shutil.copytree(snapshot.path, downloaded)
    shutil.copytree(splits.path, again / "split-1")
    unfinished = store / "reproductions" / "toy-3" / "runs" / "r" / "extract-1.partial"
    unfinished.mkdir(parents=True)
    half = store / "monitoring" / "other" / "runs" / "monitoring" / "snapshot" / "d"
    half.mkdir(parents=True)
    shutil.copy(Snapshot.load(snapshot.path).part_paths()[0], half)
    write_snapshot(other, [Example("8", "another one")])
    for name, digest in (("old", "another"), ("new", Snapshot.load(snapshot.path).digest)):
        reference = store / "monitoring" / "toy" / f"reference-{name}"
        reference.mkdir()
        (reference / "reference.json").write_text(json.dumps({"snapshot": digest}))
    broken_off = run.folder / "extract-2.partial"
    broken_off.mkdir()
    shutil.copy(snapshot.path / "rejects.jsonl", run.folder)
    # when a row is erased
    plan = plan_erasure(["7"], store, None)
    erase(plan, store)
    # then the copies that hold it, or may hold it, are removed
    removed = [downloaded.parents[2], half.parents[2], again.parents[1], unfinished.parents[2], broken_off]
    removed.append(run.folder / "rejects.jsonl")
    assert {one.path for one in plan.copies} == {*removed, store / "monitoring" / "toy" / "reference-new"}
    assert not [one.path for one in plan.copies if one.path.exists()]
    assert other.exists()
    assert (store / "monitoring" / "toy" / "reference-old").exists()


def test_find_copies_finds_what_a_validation_left(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a validation that rejects too many rows, one of other rows, and one that was killed
    corpus = write_rows(tmp_path / "rows.jsonl", 20)
    first = json.loads(corpus.read_text().splitlines()[0])
    corpus.write_text(corpus.read_text().replace(first["text"], "", 1))
    recipe = make_recipe(corpus)
    for name in ("one", "two"):
        report = check_data(recipe.model_copy(update={"name": name}), store)
        assert any("rejected" in problem for problem in report.problems)
    rejects = [store / "checks" / name / "runs" / "check" / "rejects.jsonl" for name in ("one", "two")]
    rejects[1].write_text(rejects[1].read_text().replace(f'"{first["id"]}"', '"another"'))
    killed = store / "checks" / "three" / "runs" / "check"
    for name in ("extract-1.partial", "split-1"):
        (killed / name).mkdir(parents=True)
        write(killed / name)
    (store / "checks" / "three" / "ledger").mkdir()
    # while another one is at work, nothing goes
    plan = plan_erasure([first["id"]], store)
    with run_lock(killed), pytest.raises(AssayError, match="nothing was erased"):
        erase(plan, store)
    with run_lock(rejects[0].parent), pytest.raises(AssayError, match="another process"):
        check_data(recipe.model_copy(update={"name": "one"}), store)
    # then what holds the row, or may hold it, is removed
    erase(plan, store)
    assert [path.exists() for path in rejects] == [False, True]
    assert [path.name for path in (store / "checks" / "three").rglob("*") if path.name != "lock"] == ["runs", "check"]


def test_is_one_of_matches_the_sentences_of_a_document() -> None:
    assert is_one_of("7#0", ["7"])
    assert not is_one_of("77#0", ["7"])
    assert not is_one_of("7", ["7#0"])


def test_all_snapshots_skips_killed_steps_and_accepts_runs_without_a_state(store: Path) -> None:
    run, snapshot, _ = made(store, "first")
    shutil.copytree(snapshot.path, run.folder / "extract-0.partial")
    shutil.copytree(snapshot.path, store / "runs" / "elsewhere" / snapshot.path.name)
    assert erase(plan_erasure(["7"], store, None), store) == 2
    assert plan_erasure(["7"], store, None).empty
