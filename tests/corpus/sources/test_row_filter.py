import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mongomock
import pytest

from assay.corpus.documents.chunk import ChunkReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.sources.files import read_files
from assay.corpus.sources.row_filter import RowFilter, row_filter_error

ROWS: list[dict[str, Any]] = [
    {"_id": 0, "lang": "en", "n": 1, "meta": {"part": "a"}, "tags": ["x", "y"]},
    {"_id": 1, "lang": "de", "n": 2.0, "meta": {"part": None}, "note": None},
    {"_id": 2, "lang": None, "n": True, "at": datetime(2024, 1, 1, tzinfo=UTC)},
    {"_id": 3, "tags": [], "n": "1"},
]


@pytest.mark.parametrize(
    "filter_",
    [
        {},
        {"lang": "en"},
        {"lang": None},
        {"lang": {"$ne": "en"}},
        {"lang": {"$ne": None}},
        {"lang": {"$in": ["en", "de"]}},
        {"lang": {"$in": ["en", None]}},
        {"lang": {"$nin": ["en"]}},
        {"note": {"$exists": True}},
        {"note": {"$exists": False}, "lang": {"$exists": True}},
        {"n": {"$eq": 2}},
        {"meta.part": "a"},
        {"meta": {"part": "a"}},
        {"tags": "x"},
        {"tags": ["x", "y"]},
        {"tags": {"$ne": "x"}},
        {"lang": {"$in": ["en", "de"], "$ne": "de"}},
    ],
)
def test_row_filter_accepts_what_mongodb_does(filter_: dict[str, Any]) -> None:
    collection: Any = mongomock.MongoClient().db.rows
    collection.insert_many(ROWS)
    expected = [row["_id"] for row in collection.find(filter_, {"_id": 1}).sort("_id", 1)]

    assert row_filter_error(filter_, "source.filter") is None
    assert [row["_id"] for row in ROWS if RowFilter(filter_).accepts(row)] == expected


@pytest.mark.parametrize(
    ("filter_", "row", "accepted"),
    [
        ({"year": 2024}, {"year": "2024"}, True),
        ({"year": {"$in": [2024, 2025]}}, {"year": "2025"}, True),
        ({"gold": True}, {"gold": "true"}, True),
        ({"gold": True}, {"gold": "1"}, False),
        ({"gold": True}, {"gold": 1}, False),
        ({"gold": 1}, {"gold": True}, False),
        ({"year": "2024"}, {"year": 2024}, False),
        ({"at": datetime(2024, 1, 1, tzinfo=UTC)}, ROWS[2], True),
    ],
)
def test_row_filter_compares_numbers_with_the_cells_of_tables(
    filter_: dict[str, Any], row: Mapping[str, Any], accepted: bool
) -> None:
    assert RowFilter(filter_).accepts(row) is accepted


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        (
            {"a": {"$gt": 1}},
            "f holds the operator '$gt'; of files and hub data sets, allowed are $eq $ne",
        ),
        ({"$or": [{"a": 1}]}, "f holds the operator '$or'; of files and hub data sets, allowed are $eq $ne $in $nin"),
        ({"$eq": 1}, "f holds the operator '$eq'; of files"),
        ({"a": {"$in": "b"}}, "f.a.$in is 'b'; write a list"),
        ({"a": {"$exists": 1}}, "f.a.$exists is 1; write true or false"),
    ],
)
def test_row_filter_error_names_the_operator(filter_: dict[str, Any], message: str) -> None:
    assert (row_filter_error(filter_, "f") or "").startswith(message)


def test_read_files_marks_documents_that_the_filter_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,lang,year\none,en,2024\nzwei,de,2024\nthree,en,2023\nfour,en,2024,x\n")
    documents = read_files({path: "all"}, filter_={"lang": "en", "year": 2024})

    chunk = ChunkReader(DocumentFormat(), needs_label=False, needs_entities=False).read(documents)

    assert chunk.batch.column("text").to_pylist() == ["one"]
    assert chunk.counts.model_dump() == {
        "documents": 4,
        "used": 1,
        "filtered": 2,
        "rejected": 1,
        "rows": 1,
        "rejects": 1,
        "no_label": 0,
    }


def test_row_filter_reaches_into_columns_of_json_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "meta"])
        writer.writerow(["one", '{"lang": "en"}'])
        writer.writerow(["zwei", '{"lang": "de"}'])
        writer.writerow(["three", "English"])
        writer.writerow(["four", ""])

    rows = list(read_files({path: "all"}, filter_={"meta.lang": "en"}))

    assert [(row.position, row.filtered) for row in rows if isinstance(row, Document)] == [
        ("a:2", False),
        ("a:3", True),
        ("a:5", True),
    ]
    [invalid] = [row for row in rows if isinstance(row, InvalidRow)]
    assert (invalid.id, invalid.reason) == ("a:4", "meta is not JSON: English")
    assert "source.filter" in remedy_of(invalid.reason)


def test_row_filter_takes_a_column_with_a_dot_in_its_name() -> None:
    assert RowFilter({"meta.lang": "en"}).accepts({"meta.lang": "en", "meta": "no JSON"})
