"""Whole histories: the same recipe run after run, over data and settings that change."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splitting.assignment import (
    BESIDE_TEST,
    BESIDE_VALIDATION,
    JOINS,
    Assignment,
    DocumentIds,
    assign,
    read_rows,
)
from assay.corpus.splitting.ledger import open_ledger
from assay.corpus.splitting.stratify import NO_SPLIT, TEST, TRAIN, VALIDATION
from assay.recipes.recipe import Split
from tests.snapshots import write_snapshot

START = datetime(2024, 1, 1)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def word(number: int) -> str:
    return "".join(LETTERS[(number // 26**place) % 26] for place in range(5))


def make_rows(numbers: Sequence[int] | range, **more: Any) -> list[Example]:
    """Rows of two classes, an hour apart, with a text of their own for each number."""
    return [
        Example(
            id=f"r{number}",
            text=f"text {word(number)} {word(number * 7 + 3)}",
            label="ab"[number % 2],
            time=(START + timedelta(hours=number)).isoformat(),
            **more,
        )
        for number in numbers
    ]


class History:
    """Runs of one recipe in one store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0

    def run(
        self,
        rows: Sequence[Example],
        cleaning: Cleaning | None = None,
        documents: DocumentIds | None = None,
        **split: Any,
    ) -> Assignment:
        self._runs += 1
        snapshot = Snapshot.load(write_snapshot(self._folder / str(self._runs), rows).path)
        settings = Split(**split)
        splitting_rows = read_rows(snapshot, settings, cleaning, documents)
        with open_ledger(self._folder / "ledger.parquet") as ledger:
            assignment = assign(splitting_rows, settings, ledger)
            kinds = splitting_rows.keys.kinds()
            split_of, seen = np.tile(assignment.split_of, len(kinds)), np.tile(assignment.seen, len(kinds))
            ledger.record(np.concatenate(kinds), split_of, remember=settings.remember, seen=seen)
        return assignment


def shares(assignment: Assignment) -> list[float]:
    counts = np.bincount(assignment.split_of[assignment.split_of >= 0], minlength=3)
    return [round(float(count) / int(counts.sum()), 3) for count in counts]


def splits_of(values: Sequence[object], assignment: Assignment) -> dict[object, set[int]]:
    """The splits in which rows of each value lie."""
    splits: dict[object, set[int]] = {}
    for value, split_name in zip(values, assignment.split_of.tolist(), strict=True):
        splits.setdefault(value, set()).update({split_name} - {NO_SPLIT})
    return splits


def test_assign_by_time_trains_on_new_rows_but_never_on_test_rows(tmp_path: Path) -> None:
    history, tested = History(tmp_path), set[int]()
    for count in (1000, 1001, 1100, 1400, 2000, 3000):
        rows = make_rows(range(count))
        split_of = (assignment := history.run(rows, method="time")).split_of
        assert shares(assignment) == pytest.approx([0.8, 0.1, 0.1], abs=0.002)
        assert not tested & set(np.flatnonzero(split_of == TRAIN).tolist())
        assert not assignment.seen.any()
        tested |= set(np.flatnonzero(split_of == TEST).tolist())
        assert np.flatnonzero(split_of == TEST).max() == count - 1 or count == 1001
    # then the newest training row is among the newest rows
    assert np.flatnonzero(split_of == TRAIN).max() > 2700


def test_assign_by_time_meets_the_shares_row_by_row(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.run(make_rows(range(100)), method="time")
    for count in range(101, 131):
        assignment = history.run(make_rows(range(count)), method="time")
    assert shares(assignment) == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


def test_assign_by_time_orders_the_new_rows_of_each_run(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.run(make_rows(range(1000, 2000)), method="time")
    # given new rows, half of them older than all that is known
    rows = make_rows([*range(1000, 2000), *range(900, 1000), *range(2000, 2100)])
    assignment = history.run(rows, method="time")
    assert shares(assignment) == pytest.approx([0.8, 0.1, 0.1], abs=0.002)
    late, newest = assignment.split_of[1000:1100], assignment.split_of[1100:]
    assert (late == TRAIN).all()
    assert (np.diff(newest) >= 0).all()
    # and a growth of late rows alone comes to its shares as well
    late_alone = history.run(rows + make_rows(range(500, 700)), method="time")
    assert shares(late_alone) == pytest.approx([0.8, 0.1, 0.1], abs=0.002)
    assert (late_alone.split_of[: len(rows)] == assignment.split_of).all()


def test_assign_by_time_divides_rows_of_equal_time_in_any_order(tmp_path: Path) -> None:
    rows = [dataclasses.replace(row, time="2024-05-01") for row in make_rows(range(300))]
    history, reversed_history = History(tmp_path / "a"), History(tmp_path / "b")
    for count in (200, 300):
        forward = history.run(rows[:count], method="time")
        backward = reversed_history.run(rows[:count][::-1], method="time")
        assert shares(forward) == [0.8, 0.1, 0.1]
        assert forward.split_of.tolist() == backward.split_of[::-1].tolist()


def test_assign_by_time_meets_changed_shares_with_new_rows(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.run(make_rows(range(1000)), method="time")
    changed: dict[str, Any] = {"train": 0.6, "validation": 0.2, "test": 0.2}
    assignment = history.run(make_rows(range(1500)), method="time", **changed)
    assert shares(assignment) == pytest.approx([0.6, 0.2, 0.2], abs=0.07)
    assert shares(history.run(make_rows(range(2000)), method="time", **changed)) == [0.6, 0.2, 0.2]


@pytest.mark.parametrize("method", ["stratified", "time"])
def test_assign_holds_out_later_groups_as_a_whole(tmp_path: Path, method: str) -> None:
    history = History(tmp_path)
    rows = make_rows(range(600))
    first = history.run(rows, method=method)
    groups = [f"g{number % 150}" for number in range(600)]
    grouped = [dataclasses.replace(row, group=group) for row, group in zip(rows, groups, strict=True)]
    # when the group is named, and in a further run
    for _ in range(2):
        second = history.run(grouped, method=method)
        assert all(len(splits) <= 1 for splits in splits_of(groups, second).values())
        # then each group is where its most held-back row was, and only rows that were there stay
        for group, before in splits_of(groups, first).items():
            assert splits_of(groups, second)[group] == {max(before)}
        placed = second.split_of != NO_SPLIT
        assert (second.split_of[placed] == first.split_of[placed]).all()
        assert sum(second.excluded.values()) == (~placed).sum() > 0
        beside = [set(splits) for splits in splits_of(groups, first).values() if {TRAIN, TEST} <= splits]
        assert len(beside) > 10
        assert second.seen.sum() == sum(
            second.split_of[row] == TEST and TRAIN in splits_of(groups, first)[groups[row]] for row in range(600)
        )


def test_assign_counts_exclusions_by_held_out_split(tmp_path: Path) -> None:
    history = History(tmp_path)
    rows = make_rows(range(100))
    first = history.run(rows)
    train, validation, test = (
        np.flatnonzero(first.split_of == split_name).tolist() for split_name in (TRAIN, VALIDATION, TEST)
    )
    groups = {train[0]: "a", train[1]: "a", validation[0]: "a", test[0]: "a", train[2]: "b", validation[1]: "b"}
    grouped = [dataclasses.replace(row, group=groups.get(number)) for number, row in enumerate(rows)]
    new = dataclasses.replace(make_rows([500])[0], group="a")
    second = history.run([*grouped, new])
    assert second.excluded == {BESIDE_TEST: 3, BESIDE_VALIDATION: 1, JOINS: 1}
    assert second.seen.sum() == 1
    # when the group is given up again, all rows return to where they were
    third = history.run(rows)
    assert (third.split_of == first.split_of).all()


@pytest.mark.parametrize(("before", "after"), [("both", "text"), ("both", "text_pair"), ("text", "text_pair")])
def test_assign_holds_out_later_duplicates_as_a_whole(tmp_path: Path, before: str, after: str) -> None:
    history = History(tmp_path)
    rows = [
        dataclasses.replace(row, text=f"q {word(number % 90)}", text_pair=f"p {word(number // 3)}")
        for number, row in enumerate(make_rows(range(270)))
    ]
    history.run(rows, duplicates=before)
    for _ in range(2):
        second = history.run(rows, duplicates=after)
        texts = [row.text if after == "text" else row.text_pair for row in rows]
        assert all(len(splits) <= 1 for splits in splits_of(texts, second).values())
        assert sum(second.excluded.values()) == (second.split_of == NO_SPLIT).sum() > 0


def test_assign_joins_rows_that_later_cleaning_makes_equal(tmp_path: Path) -> None:
    history = History(tmp_path)
    plain = make_rows(range(300))
    tagged = [dataclasses.replace(row, id=f"t{row.id}", text=row.text.replace("text ", "text <br/>")) for row in plain]
    first = history.run([*plain, *tagged])
    second = history.run([*plain, *tagged], Cleaning(html=True))
    placed = second.split_of != NO_SPLIT
    assert (second.split_of[placed] == first.split_of[placed]).all()
    for left, right in ((0, 300), (300, 0)):
        pairs = zip(first.split_of[left : left + 300], first.split_of[right : right + 300], strict=True)
        held_out_more = [a >= b for a, b in pairs]
        assert placed[left : left + 300].tolist() == held_out_more
    # and a row whose text only the cleaning changes keeps its split when the cleaning goes
    assert (history.run([*plain, *tagged]).split_of[placed] == first.split_of[placed]).all()


def test_assign_marks_test_rows_seen_in_training(tmp_path: Path) -> None:
    history = History(tmp_path)
    rows = make_rows(range(100))
    first = history.run(rows)
    test = int(np.flatnonzero(first.split_of == TEST)[0])
    train = int(np.flatnonzero(first.split_of == TRAIN)[0])
    rows[train] = dataclasses.replace(rows[train], group="one")
    rows[test] = dataclasses.replace(rows[test], group="one")
    second = history.run(rows)
    assert (second.split_of[test], second.split_of[train]) == (TEST, NO_SPLIT)
    assert second.seen.sum() == 1
    # and so it does when the training row is gone from the source
    assert history.run(rows[:train] + rows[train + 1 :]).seen.sum() == 1


def test_assign_keeps_sentences_of_documents_by_position_apart(tmp_path: Path) -> None:
    def documents(numbers: range) -> list[Example]:
        """Four sentences each; ids say only where the document stands."""
        return [
            dataclasses.replace(row, id=f"rows:{position}#{sentence}", group=f"rows:{position}")
            for position, number in enumerate(numbers)
            for sentence, row in enumerate(make_rows(range(4 * number, 4 * number + 4)))
        ]

    history = History(tmp_path)
    first = history.run(documents(range(1, 101)), documents="positions")
    # when a document is put before the others, so that every position is another document's
    second = history.run(documents(range(101)), documents="positions")
    assert second.excluded == {}
    assert second.split_of[4:].tolist() == first.split_of.tolist()
    assert all(len(splits) == 1 for splits in splits_of(np.repeat(range(101), 4).tolist(), second).values())


def test_assign_adds_new_sentences_to_their_document(tmp_path: Path) -> None:
    def document(number: int, sentences: range) -> list[Example]:
        return [
            dataclasses.replace(make_rows([number * 50 + sentence])[0], id=f"d{number}#{sentence}", group=f"d{number}")
            for sentence in sentences
        ]

    history = History(tmp_path)
    first = history.run([row for n in range(60) for row in document(n, range(3))], documents="permanent")
    second = history.run([row for n in range(60) for row in document(n, range(3, 5))], documents="permanent")
    assert second.split_of[::2].tolist() == second.split_of[1::2].tolist() == first.split_of[::3].tolist()


def test_assign_keeps_sentences_of_a_document_together_despite_groups(tmp_path: Path) -> None:
    # given dialogues of which each sentence has the group of its speaker, two of 60 in each dialogue
    rows = [
        dataclasses.replace(row, id=f"d{number // 4}#{number % 4}", group=f"speaker {(number // 4 + number % 2) % 60}")
        if number % 20 < 8
        else dataclasses.replace(row, id=f"d{number // 4}#{number % 4}", group=f"d{number // 4}")
        for number, row in enumerate(make_rows(range(800)))
    ]
    assignment = History(tmp_path).run(rows, documents="permanent")
    ids = [row.id.partition("#")[0] for row in rows]
    assert all(len(splits) == 1 for splits in splits_of(ids, assignment).values())
    assert all(len(splits) == 1 for splits in splits_of([row.group for row in rows], assignment).values())


def test_assign_excludes_a_new_document_that_repeats_texts_of_two_splits(tmp_path: Path) -> None:
    rows = [
        dataclasses.replace(row, id=f"d{number // 2}#{number % 2}", group=f"d{number // 2}")
        for number, row in enumerate(make_rows(range(200)))
    ]
    history = History(tmp_path)
    first = history.run(rows, documents="permanent")
    train, test = (int(np.flatnonzero(first.split_of == split_name)[0]) for split_name in (TRAIN, TEST))
    # given a document with the text of a training row, that of a test row, and one of its own
    texts = [rows[train].text.upper(), rows[test].text, "something else"]
    new = [Example(f"new#{n}", text, label="a", group="new") for n, text in enumerate(texts)]
    for _ in range(2):
        second = history.run([*rows, *new], documents="permanent")
        assert second.split_of[:200].tolist() == first.split_of.tolist()
        assert second.excluded == {JOINS: 3}
        assert not second.seen.any()


def documents_by_position(documents: Sequence[Sequence[Example]]) -> list[Example]:
    """Sentences whose ids and groups say only where their document stands."""
    return [
        dataclasses.replace(row, id=f"rows:{position}#{sentence}", group=f"rows:{position}")
        for position, document in enumerate(documents)
        for sentence, row in enumerate(document)
    ]


def without_last(assignment: Assignment, count: int) -> Assignment:
    return dataclasses.replace(assignment, split_of=assignment.split_of[:-count])


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("own", [0, 1, 2])
def test_assign_excludes_a_new_document_by_position_that_repeats_texts_of_two_splits(
    tmp_path: Path, place: str, own: int
) -> None:
    history = History(tmp_path)
    documents = [make_rows(range(4 * number, 4 * number + 4)) for number in range(40)]
    first = history.run(documents_by_position(documents), documents="positions")
    train, test = (int(np.flatnonzero(first.split_of == split_name)[0]) // 4 for split_name in (TRAIN, TEST))
    # Given a digest with a sentence of a training and one of a test document, and some of its own,
    digest = [documents[train][1], documents[test][2], *make_rows(range(1000, 1000 + own))]
    grown = [digest, *documents] if place == "first" else [*documents, digest]
    for _ in range(2):
        second = history.run(documents_by_position(grown), documents="positions")
        # then the digest is in no split, and all others are where they were.
        before = second.split_of[len(digest) :] if place == "first" else second.split_of[: -len(digest)]
        assert before.tolist() == first.split_of.tolist()
        assert second.excluded == {JOINS: 2 + own}
        assert not second.seen.any()


def test_assign_holds_out_a_document_by_position_that_quotes_removed_ones(tmp_path: Path) -> None:
    history = History(tmp_path)
    documents = [make_rows(range(4 * number, 4 * number + 4)) for number in range(40)]
    first = history.run(documents_by_position(documents), documents="positions")
    train, test = (int(np.flatnonzero(first.split_of == split_name)[0]) // 4 for split_name in (TRAIN, TEST))
    # Given a digest of documents that are no longer in the source,
    digest = [documents[train][1], documents[test][2], *make_rows([1000])]
    left = [document for number, document in enumerate(documents) if number not in (train, test)]
    second = history.run(documents_by_position([*left, digest]), documents="positions")
    # then its most held-back text wins.
    assert second.split_of[-3:].tolist() == [NO_SPLIT, TEST, NO_SPLIT]
    assert second.excluded == {BESIDE_TEST: 1, JOINS: 1}


def test_assign_keeps_the_split_of_a_known_document_by_position(tmp_path: Path) -> None:
    history = History(tmp_path)
    documents = [make_rows(range(4 * number, 4 * number + 4)) for number in range(40)]
    first = history.run(documents_by_position(documents), documents="positions")
    train, test = (int(np.flatnonzero(first.split_of == split_name)[0]) // 4 for split_name in (TRAIN, TEST))
    digest = [documents[train][1], documents[test][2], *make_rows([1000])]
    documents[train] += make_rows([2000])
    second = history.run(documents_by_position([*documents, digest]), documents="positions")
    split_of = splits_of([row.text for row in documents_by_position(documents)], without_last(second, len(digest)))
    for number, document in enumerate(documents):
        for row in document[:4]:
            assert split_of[row.text] == {int(first.split_of[4 * number])}
    assert second.excluded == {JOINS: 4}
