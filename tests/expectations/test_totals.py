from collections.abc import Callable
from typing import Any

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.expectations.totals import ALL_ROWS, Totals, TotalsCounter


def count(snapshot: Snapshot, cleaning: Cleaning | None = None) -> Totals:
    counter = TotalsCounter(cleaning)
    for example in snapshot.examples():
        counter.add(example)
    return counter.finish(snapshot)


def measure(totals: Totals, name: str) -> dict[str, Any]:
    values = totals.frame.set_index("key")[name].dropna()
    return dict(zip(values.index, values, strict=True))


def test_totals_count_classes_and_the_largest_share(
    make_snapshot: Callable[..., Snapshot], sentences: list[Example]
) -> None:
    totals = count(make_snapshot(sentences[:5], rejects=[("x", "no text", {})]))
    assert measure(totals, "rows") == {ALL_ROWS: 5}
    assert measure(totals, "class_count") == {ALL_ROWS: 2}
    assert measure(totals, "class_rows") == {"down": 3, "up": 2}
    assert measure(totals, "class_share") == {"down": 0.6}
    assert measure(totals, "rejects_share") == {ALL_ROWS: 1 / 6}
    assert measure(totals, "entity_type_count") == {ALL_ROWS: 0}
    assert totals.examples == {"repeated_ids": [], "duplicate_share": [], "contradictions": []}


def test_totals_of_an_empty_snapshot(make_snapshot: Callable[..., Snapshot]) -> None:
    totals = count(make_snapshot([]))
    assert measure(totals, "rows") == {ALL_ROWS: 0}
    assert measure(totals, "duplicate_share") == {ALL_ROWS: 0}
    assert measure(totals, "class_rows") == {}


def test_totals_name_the_later_of_repeated_rows(make_snapshot: Callable[..., Snapshot]) -> None:
    rows = [
        Example(id="a", text="Up 5% http://x.example", label="up"),
        Example(id="b", text="down", label="down"),
        Example(id="a", text="flat", label="flat"),
        Example(id="c", text="up  9%", label="up"),
        Example(id="d", text="DOWN", label="up"),
    ]
    totals = count(make_snapshot(rows))
    assert totals.examples["repeated_ids"] == ["a"]
    assert totals.examples["duplicate_share"] == ["c", "d"]
    assert measure(totals, "duplicate_share") == {"'c', 'd'": 0.4}
    # both rows of a contradiction are named: either may be wrong
    assert totals.examples["contradictions"] == ["b", "d"]


def test_totals_compare_both_texts_of_pairs(make_snapshot: Callable[..., Snapshot]) -> None:
    rows = [
        Example(id="a", text="is it", text_pair="a b", label="yes"),
        Example(id="b", text="is it", text_pair="c", label="no"),
        Example(id="c", text="Is it", text_pair="A b", label="yes"),
        Example(id="d", text="is it a", text_pair="b", label="yes"),
    ]
    totals = count(make_snapshot(rows))
    assert totals.examples["duplicate_share"] == ["c"]
    assert totals.examples["contradictions"] == []


def test_totals_compare_entities_by_words_and_type(make_snapshot: Callable[..., Snapshot]) -> None:
    rows = [
        Example(id="a", text="Acme rose 5%", entities=(Entity(0, 4, "ORG"),)),
        Example(id="b", text="  Acme rose 15%", entities=(Entity(2, 6, "ORG"),)),
        Example(id="c", text="Bolt fell", entities=(Entity(0, 4, "ORG"),)),
        Example(id="d", text="bolt fell", entities=()),
    ]
    assert count(make_snapshot(rows)).examples["contradictions"] == ["c", "d"]


def test_totals_name_labels_that_train_lacks_with_their_split(make_snapshot: Callable[..., Snapshot]) -> None:
    rows = [
        Example(id="a", text="a", label="up", entities=(Entity(0, 1, "X"),), split="train"),
        Example(id="b", text="b", label="new", entities=(Entity(0, 1, "X"),), split="validation"),
        Example(id="c", text="c", label="up", entities=(Entity(0, 1, "Y"),), split="test"),
    ]
    totals = count(make_snapshot(rows))
    assert measure(totals, "fault.unseen_class") == {"new": "1 of them in 'validation'"}
    assert measure(totals, "fault.unseen_entity_type") == {"Y": "1 of them in 'test'"}


def test_totals_name_twenty_ids_and_count_all(make_snapshot: Callable[..., Snapshot]) -> None:
    # given more rows than one batch holds
    rows = [
        Example(id=f"r{number}", text="same" if number > 3000 else f"text {'x' * number}") for number in range(3050)
    ]
    totals = count(make_snapshot(rows))
    assert totals.examples["duplicate_share"] == [f"r{number}" for number in range(3002, 3022)]
    assert totals.counts["duplicate_share"] == 48


def test_totals_compare_cleaned_texts(make_snapshot: Callable[..., Snapshot]) -> None:
    rows = [
        Example(id="a", text="Caf\u00e9 &amp; bar", label="up", entities=(Entity(0, 10, "PLACE"),)),
        Example(id="b", text="Cafe\u0301 & bar", label="up", entities=(Entity(0, 7, "PLACE"),)),
    ]
    assert count(make_snapshot(rows)).examples["duplicate_share"] == []
    totals = count(make_snapshot(rows), Cleaning(html=True))
    assert totals.examples["duplicate_share"] == ["b"]
    assert totals.examples["contradictions"] == []
