from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.expectations.frames import RowFrame, schema_frame
from assay.recipes.recipe import Recipe


def test_row_frame_has_lengths_and_the_first_faulty_entity(make_recipe: Callable[..., Recipe]) -> None:
    rows = RowFrame(make_recipe(("tokens",), validation={"entity_labels": ["ORG"]}))
    rows.add(Example(id="good", text="Acme rose", entities=(Entity(0, 4, "ORG"),)))
    rows.add(Example(id="bad", text="Acme rose", entities=(Entity(0, 4, "ORG"), Entity(5, 99, "PER"))))
    rows.add(Example(id="none", text=" \n"))

    frame = rows.take().set_index("id")

    assert len(rows) == 0
    assert "text" not in frame
    assert list(frame["text_length"]) == [9, 9, 2]
    assert frame.loc["good"].filter(like="fault.").isna().all()
    assert frame.loc["bad", "fault.outside"] == "PER 5:99 'rose' in a text of 9 characters"
    assert str(frame.loc["bad", "fault.unknown"]).startswith("PER 5:99")
    assert frame.loc["none", "fault.blank"] == "2 characters of white space"
    assert frame.loc["none", "entities"] is None


def test_row_frame_has_only_the_columns_of_the_recipe(make_recipe: Callable[..., Recipe]) -> None:
    rows = RowFrame(make_recipe(fields={"text_pair": "passage"}))
    rows.add(Example(id="a", text="why", text_pair=""))
    rows.add(Example(id="b", text="why"))

    frame = rows.take()

    assert "entities" not in frame
    assert list(frame["fault.blank_pair"]) == ["empty", None]
    assert list(frame["text_pair_length"]) == [0, None]


def test_row_frame_shortens_long_entities(make_recipe: Callable[..., Recipe]) -> None:
    rows = RowFrame(make_recipe(("tokens",)))
    rows.add(Example(id="a", text="x" * 1000, entities=(Entity(0, 1001, "ORG"),)))
    assert len(str(rows.take().loc[0, "fault.outside"])) < 100


def test_schema_frame_finds_no_fault_in_a_written_snapshot(
    make_snapshot: Callable[..., Snapshot], sentences: list[Example]
) -> None:
    frame = schema_frame(make_snapshot(sentences))
    assert list(frame["id"])[:2] == ["id", "text"]
    assert frame["fault.column"].isna().all()


@pytest.mark.parametrize(
    ("column", "values", "fault"),
    [
        ("label", pa.array([1, 2]), "the type is int64, not string"),
        ("extra", pa.array(["a", "b"]), "not one of a snapshot"),
        ("text", pa.array(["a", None]), "may hold nulls"),
        ("text", None, "the column is missing"),
    ],
)
def test_schema_frame_describes_each_deviation(
    make_snapshot: Callable[..., Snapshot], sentences: list[Example], column: str, values: pa.Array, fault: str
) -> None:
    # given a part that was written by other means
    snapshot = make_snapshot(sentences[:2])
    path = snapshot.part_paths()[0]
    table = pq.read_table(path)
    if column in table.column_names:
        table = table.drop_columns([column])
    pq.write_table(table if values is None else table.append_column(column, values), path)

    faults = schema_frame(snapshot).set_index("id")["fault.column"].dropna()

    assert list(faults.index) == [column]
    assert fault in faults[column]
