from datetime import UTC, datetime
from pathlib import Path

from assay.corpus.overlay import Correction, add_corrections, erase_corrections, overlay_path, read_overlay, text_digest
from assay.corpus.storage.object_store import SharedStore
from assay.registry.retention.store_erasure import find_corrections


def correction(row: str) -> Correction:
    return Correction(
        id=row, decision="corrected", label="good", text_digest=text_digest("a text"), author="anna",
        at=datetime.now(UTC), origin="done.jsonl",
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
