from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.corpus.corrected_rows import CorrectedRows, correction_summary, read_corrected_rows, write_corrected_rows
from assay.corpus.documents.chunk import Counts, DocumentChunk
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.label_values import LabelValues
from assay.corpus.entity import Entity
from assay.corpus.example import Example, Head, arrow_schema, from_batch, to_batch
from assay.corpus.overlay import (
    AddedText,
    Correction,
    Overlay,
    added_id,
    text_digest,
)

AS_WRITTEN = LabelValues(DocumentFormat())
ROWS = [
    Example(f"r{number}", f"Globex text {number}", label="bad", entities=(Entity(0, 6, "ORG"),)) for number in range(4)
]


def correction(row: Example, **changes: Any) -> Correction:
    fields: dict[str, Any] = {
        "id": row.id,
        "decision": "corrected",
        "text_digest": text_digest(row.text, row.text_pair),
        "author": "anna",
        "at": datetime(2026, 11, 20, tzinfo=UTC),
        "origin": "export.json",
        **changes,
    }
    return Correction(**fields)


def added(text: str, **labels: Any) -> Correction:
    row = Example(added_id(text), text)
    return correction(row, decision="added", added=AddedText(text=text), **labels)


def chunk(rows: list[Example]) -> DocumentChunk:
    return DocumentChunk(to_batch(rows, arrow_schema()), [], Counts())


def corrected_rows(
    *corrections: Correction, heads: Sequence[Head] = ("sentence", "tokens")
) -> tuple[CorrectedRows, list[Example]]:
    rows = CorrectedRows(Overlay(corrections), heads, AS_WRITTEN)
    read = [row for part in (ROWS[:2], ROWS[2:]) for row in from_batch(rows.correct(chunk(part)).batch)]
    return rows, [*read, *rows.added()]


def test_corrections_replace_labels_and_are_recorded_with_both(tmp_path: Path) -> None:
    wrong = correction(ROWS[1], label="good")
    rows, read = corrected_rows(wrong, correction(ROWS[2], entities=()), correction(ROWS[3], label="bad"))

    assert [row.label for row in read] == ["bad", "good", "bad", "bad"]
    assert [row.entities for row in read] == [ROWS[0].entities, ROWS[1].entities, (), ROWS[3].entities]
    counts = rows.counts()
    assert (counts.corrected, counts.added, counts.stale, counts.absent) == (2, 0, 0, 0)  # r3 had that label already
    rows.save(tmp_path)
    changes = read_corrected_rows(tmp_path)
    assert [(one.id, one.before and one.before.label, one.after.label) for one in changes] == [
        ("r1", "bad", "good"),
        ("r2", "bad", "bad"),
    ]
    assert changes[0].author == "anna"


def test_corrections_of_another_text_or_of_missing_rows_are_left_out_and_counted() -> None:
    rows, read = corrected_rows(
        correction(ROWS[0], label="good", text_digest=text_digest("an older text")),
        correction(Example("gone", "text"), label="good"),
    )
    assert read == ROWS
    counts = rows.counts()
    assert (counts.corrected, counts.stale, counts.absent) == (0, 1, 1)
    assert correction_summary(counts) == "1 correction of another text, 1 correction of missing rows"
    assert rows.left_out() == [
        "1 correction of another text left out (r0); label the rows again",
        "1 correction of missing rows left out (gone); name a field with lasting ids in source.fields.id, or remove "
        "them with assay erase",
    ]


def test_corrections_that_are_left_out_are_named_up_to_a_few_and_none_where_all_are_used() -> None:
    rows, _ = corrected_rows(*(correction(Example(f"gone{number}", "text"), label="good") for number in range(7)))
    [line] = rows.left_out()
    assert line.startswith(
        "7 corrections of missing rows left out (gone0, gone1, gone2, gone3, gone4 and 2 more); name"
    )
    assert corrected_rows(correction(ROWS[1], label="good"))[0].left_out() == []


def test_added_rows_come_last_unless_the_source_holds_their_text_or_they_lack_labels() -> None:
    rows, read = corrected_rows(
        added("a new text", label="good", entities=()),
        added(ROWS[1].text, label="good", entities=()),
        added("half labelled", label="good"),
    )
    assert [row.text for row in read[4:]] == ["a new text"]
    assert (rows.counts().added, rows.counts().incomplete) == (1, 1)
    assert correction_summary(rows.counts()) == "1 added by people, 1 added row labelled in part"
    [line] = rows.left_out()
    assert line == (
        f"1 added row labelled in part left out ({added_id('half labelled')}); label the rest, and apply it, too "
        "(assay labels apply)"
    )


def test_parts_that_a_recipe_does_not_read_are_left() -> None:
    _, read = corrected_rows(correction(ROWS[1], entities=()), added("a new text", label="good"), heads=["sentence"])
    assert read[1] == ROWS[1]
    assert (read[4].label, read[4].entities) == ("good", None)


def test_corrections_of_several_labels_label_rows_that_had_none(tmp_path: Path) -> None:
    # given rows with labels, without any that apply, and without any that are known
    topics = [
        replace(row, label=None, entities=None, labels=labels)
        for row, labels in zip(ROWS, (("sport",), (), None, None), strict=True)
    ]
    overlay = Overlay(
        [
            correction(topics[0], labels=()),
            correction(topics[1], labels=("money", "sport")),
            correction(topics[2], labels=("money",)),
            added("a new text", labels=()),
            added("of another head", label="good"),
        ]
    )
    rows = CorrectedRows(overlay, ["labels"], AS_WRITTEN)

    read = [*from_batch(rows.correct(chunk(topics)).batch), *rows.added()]

    assert [row.labels for row in read] == [(), ("money", "sport"), ("money",), None, ()]
    rows.save(tmp_path)
    changes = read_corrected_rows(tmp_path)
    assert [(one.before and one.before.labels, one.after.labels) for one in changes] == [
        (("sport",), ()),
        ((), ("money", "sport")),
        (None, ("money",)),
        (None, ()),
    ]


def test_snapshot_without_corrections_has_no_file_of_them(tmp_path: Path) -> None:
    write_corrected_rows([], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert read_corrected_rows(tmp_path) == []
