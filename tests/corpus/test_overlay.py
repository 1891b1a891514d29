import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from assay.corpus import overlay as overlay_module
from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.corpus.example import Example, Head
from assay.corpus.overlay import (
    AddedText,
    Correction,
    Overlay,
    add_corrections,
    added_id,
    corrected,
    erase_corrections,
    extend_overlay,
    overlay_path,
    read_overlay,
    text_digest,
    write_overlay,
)
from assay.corpus.storage.object_store import SharedStore
from tests.corpus.test_corrected_rows import ROWS, correction

ALL_PARTS: dict[str, Any] = {"label": "good", "labels": ("sport",), "entities": ()}


def test_overlay_grows_and_the_last_correction_of_a_row_counts(tmp_path: Path) -> None:
    path = overlay_path(tmp_path, "news")
    assert read_overlay(path).digest is None
    first = add_corrections(path, [correction(ROWS[0], label="good")])
    second = add_corrections(path, [correction(ROWS[0], label="bad"), correction(ROWS[1], label="good")])

    read = read_overlay(path)
    assert [one.label for one in read.history] == ["good", "bad", "good"]
    assert read.latest["r0"].label == "bad"
    assert read.digest == second.digest != first.digest
    earlier = read.as_of(first.digest)
    assert earlier is not None
    assert [one.label for one in earlier.history] == ["good"]
    # A confirmation changes nothing, and neither does the same decision by another person.
    confirmed = correction(ROWS[2], decision="confirmed")
    assert add_corrections(path, [confirmed, correction(ROWS[1], label="good", author="ben")]).digest == second.digest


def test_erase_corrections_leaves_no_history(tmp_path: Path) -> None:
    path = overlay_path(tmp_path, "news")
    add_corrections(
        path, [correction(ROWS[0], label="good"), correction(ROWS[1], label="good"), correction(ROWS[0], label="x")]
    )
    assert erase_corrections(path, ["r0", "nobody"]) == 2
    assert [one.id for one in read_overlay(path).history] == ["r1"]


def test_read_overlay_names_a_damaged_line(tmp_path: Path) -> None:
    path = overlay_path(tmp_path, "news")
    add_corrections(path, [correction(ROWS[0], label="good")])
    path.write_text(path.read_text() + '{"id": 1}\n')
    with pytest.raises(AssayError, match=r"news.jsonl, line 2: this is not a correction"):
        read_overlay(path)


def test_overlay_is_found_as_it_was_with_a_digest(tmp_path: Path) -> None:
    history = [correction(ROWS[0], label=label) for label in ("good", "bad", "good")]
    whole = Overlay(history)
    assert (len(whole), len(whole.history)) == (1, 3)
    # the newest state with a digest is the one that counts
    assert whole.as_of(Overlay(history[:1]).digest).history == history  # type: ignore[union-attr]
    assert whole.as_of(Overlay(history[:2]).digest).history == history[:2]  # type: ignore[union-attr]
    assert whole.as_of(None).history == []  # type: ignore[union-attr]
    assert whole.as_of("unknown") is None


def test_overlay_is_found_as_it_was_among_many_corrections_in_a_second() -> None:
    history = [correction(Example(f"r{number}", "text"), label="good") for number in range(5_000)]
    wanted = Overlay(history[:2_500]).digest
    began = time.process_time()
    earlier = Overlay(history).as_of(wanted)
    assert earlier is not None
    assert len(earlier) == 2_500
    assert time.process_time() - began < 1


def test_overlay_gives_a_row_the_correction_of_its_present_text() -> None:
    overlay = Overlay([correction(ROWS[0], label="good")])
    assert overlay.of(ROWS[0]) == overlay.latest["r0"]
    assert overlay.of(replace(ROWS[0], text="another")) is None
    assert overlay.of(ROWS[1]) is None


def test_overlay_has_a_digest_of_effects_whatever_their_order() -> None:
    first, second = correction(ROWS[0], label="good"), correction(ROWS[1], entities=())
    assert Overlay([first, second]).digest == Overlay([second, first]).digest
    assert Overlay([first]).digest != Overlay([correction(ROWS[0], label="fine")]).digest
    assert Overlay([correction(ROWS[0], decision="confirmed")]).digest is None


def test_text_digest_tells_the_second_text_from_the_first() -> None:
    assert len({text_digest("a"), text_digest("a", "b"), text_digest("ab"), text_digest("b", "a")}) == 4
    assert text_digest("a", "") == text_digest("a", None) == text_digest("a")
    assert len(text_digest("lone \ud83d")) == 64
    assert added_id("a") == f"added:{text_digest('a')[:16]}"


def test_add_corrections_keeps_every_field_of_strangers_data(tmp_path: Path) -> None:
    text = "two\nlines\u2028 \U0001f389 \x85"
    one = Correction(
        id=added_id(text, text),
        decision="added",
        label='"good"',
        entities=(Entity(0, 3, "ORG"),),
        text_digest=text_digest(text, text),
        added=AddedText(text=text, text_pair=text),
        author="Zoë \u2028",
        at=datetime(2026, 1, 2, tzinfo=UTC),
        origin="export (1).json",
    )
    path = overlay_path(tmp_path, "news")
    add_corrections(path, [one])
    assert add_corrections(path, []).history == [one]
    assert read_overlay(path).history == [one]
    assert len(path.read_bytes().splitlines()) == len(path.read_text().split("\n")) - 1 == 1


def test_extend_overlay_decides_after_everything_that_another_process_has_added(tmp_path: Path) -> None:
    path = overlay_path(tmp_path, "news")
    seen: list[list[str | None]] = []

    def decide(known: Overlay) -> list[Correction]:
        with pytest.raises(Timeout):
            FileLock(path.with_name("news.jsonl.lock")).acquire(timeout=0)  # no process adds any in the meantime
        seen.append([one.label for one in known.history])
        return [correction(ROWS[0], label="good")]

    extend_overlay(path, decide)
    extend_overlay(path, decide)
    assert seen == [[], ["good"]]
    assert len(read_overlay(path).history) == 2


def test_extend_overlay_writes_nothing_without_a_correction(tmp_path: Path) -> None:
    path = overlay_path(tmp_path, "news")
    assert extend_overlay(path, lambda _: []).history == []
    assert not path.exists()


def test_add_corrections_leaves_a_damaged_file_as_it_is(tmp_path: Path) -> None:
    path = overlay_path(tmp_path, "news")
    path.parent.mkdir()
    path.write_text("damaged\n")
    for change in (lambda: add_corrections(path, [correction(ROWS[0])]), lambda: erase_corrections(path, ["r0"])):
        with pytest.raises(AssayError, match=r"line 1: .* restore the file from a backup, or remove the line"):
            change()
    assert path.read_text() == "damaged\n"


def test_add_corrections_names_a_file_that_another_process_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay_module, "LOCK_TIMEOUT_S", 0.05)
    path = overlay_path(tmp_path, "news")
    path.parent.mkdir()
    message = r"news\.jsonl has been held by another process for 0\.05 s; try again"
    with FileLock(path.with_name("news.jsonl.lock")), pytest.raises(AssayError, match=message):
        add_corrections(path, [correction(ROWS[0])])
    assert not path.exists()


def test_erase_corrections_of_unknown_rows_writes_nothing(tmp_path: Path) -> None:
    path = overlay_path(tmp_path, "news")
    assert erase_corrections(path, ["r0"]) == 0
    assert not path.exists()


def test_write_overlay_copies_the_history_to_another_store(tmp_path: Path) -> None:
    overlay = Overlay([correction(ROWS[0], label="good"), correction(ROWS[0], label="bad")])
    path = overlay_path(tmp_path / "other", "news")
    write_overlay(path, overlay)
    assert read_overlay(path).history == overlay.history
    assert [json.loads(line)["label"] for line in path.read_text().splitlines()] == ["good", "bad"]


@pytest.mark.parametrize(
    ("changes", "heads", "expected"),
    [
        (ALL_PARTS, ("sentence", "labels", "tokens"), ("good", ("sport",), ())),
        (ALL_PARTS, ("sentence",), ("good", None, ROWS[0].entities)),
        (ALL_PARTS, ("labels",), ("bad", ("sport",), ROWS[0].entities)),
        (ALL_PARTS, ("tokens",), ("bad", None, ())),
        (ALL_PARTS, (), ("bad", None, ROWS[0].entities)),
        ({"labels": ()}, ("labels",), ("bad", (), ROWS[0].entities)),
        ({}, ("sentence", "labels", "tokens"), ("bad", None, ROWS[0].entities)),
    ],
)
def test_corrected_changes_the_parts_that_a_recipe_reads(
    changes: dict[str, Any], heads: tuple[Head, ...], expected: tuple[Any, ...]
) -> None:
    row: Example = corrected(ROWS[0], correction(ROWS[0], **changes), heads)
    assert (row.label, row.labels, row.entities) == expected
    assert (row.id, row.text) == (ROWS[0].id, ROWS[0].text)


def test_a_version_from_before_all_corrections_has_none(tmp_path: Path) -> None:
    overlay = add_corrections(overlay_path(tmp_path, "news"), [correction(ROWS[0], label="good")])
    earlier = overlay.as_of(None)
    assert earlier is not None
    assert earlier.history == []


def test_corrections_that_were_decided_too_slowly_take_back_nothing(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay_module, "LOCK_TIMEOUT_S", 0.1)
    shared = SharedStore(f"{bucket}/team")
    here, there = (overlay_path(tmp_path / machine, "news") for machine in ("here", "there"))

    def decide_slowly(known: Overlay) -> list[Correction]:
        # The lease expires meanwhile, so that another machine takes it, and writes.
        time.sleep(0.2)
        add_corrections(there, [correction(ROWS[1], label="good")], shared)
        return [correction(ROWS[0], label="good")]

    with pytest.raises(AssayError, match="was given out"):
        extend_overlay(here, decide_slowly, shared)
    assert [one.id for one in read_overlay(here, shared).history] == ["r1"]


def test_corrections_are_shared_with_other_machines(tmp_path: Path, bucket: str) -> None:
    shared = SharedStore(f"{bucket}/team")
    here, there = (overlay_path(tmp_path / machine, "news") for machine in ("here", "there"))
    add_corrections(here, [correction(ROWS[0], label="good")], shared)
    add_corrections(there, [correction(ROWS[1], label="good")], shared)
    assert [one.id for one in read_overlay(here, shared).history] == ["r0", "r1"]
    # A machine whose copy is older erases what the others know, too.
    assert erase_corrections(here, ["r1"], shared) == 1
    assert [one.id for one in read_overlay(there, shared).history] == ["r0"]
    assert erase_corrections(there, ["r1"], shared) == 0
    assert [one.id for one in read_overlay(there).history] == ["r0"]
