from dataclasses import replace

import pytest

from assay.corpus.example import Entity, Example, arrow_schema, from_batch, to_batch

EXAMPLES = [
    Example(
        "1", "Süß 😀", "second", "up", (Entity(0, 3, "A"), Entity(4, 5, "B")), "train", "g", "2024", {"year": "24"}
    ),
    Example("2", "none", entities=None),
    Example("3", "empty", entities=(), slices={"year": None}),
    Example("4", "last", entities=(Entity(0, 4, "A"),), slices={"year": ""}),
]


def test_examples_survive_arrow() -> None:
    batch = to_batch(EXAMPLES, arrow_schema(["year"]))
    assert batch.schema == arrow_schema(["year"])
    again = from_batch(batch)
    assert [row.slices for row in again] == [{"year": "24"}, {"year": None}, {"year": None}, {"year": ""}]
    assert [replace(row, slices={}) for row in again] == [replace(row, slices={}) for row in EXAMPLES]


@pytest.mark.parametrize("begin", [0, 1, 3])
def test_from_batch_reads_a_slice_of_a_batch(begin: int) -> None:
    batch = to_batch(EXAMPLES, arrow_schema()).slice(begin)
    assert [row.entities for row in from_batch(batch)] == [row.entities for row in EXAMPLES[begin:]]


def test_from_batch_gives_none_for_columns_that_were_not_read() -> None:
    batch = to_batch(EXAMPLES, arrow_schema(["year"])).select(["id", "text"])
    assert from_batch(batch) == [Example(row.id, row.text) for row in EXAMPLES]


def test_to_batch_of_nothing_has_the_schema() -> None:
    batch = to_batch([], arrow_schema(["year"]))
    assert (batch.num_rows, batch.schema) == (0, arrow_schema(["year"]))
    assert from_batch(batch) == []


def test_characters_count_both_texts() -> None:
    assert [row.characters for row in EXAMPLES] == [11, 4, 5, 4]
