import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId, json_util

from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.files import iter_rows, read_files
from assay.corpus.sources.recognition import describe_file

ROWS: list[dict[str, Any]] = [
    {"_id": ObjectId("65937b80a1b2c3d4e5f60000"), "text": "one", "at": datetime(2024, 1, 2, 3, tzinfo=UTC), "n": 1},
    {"_id": 7, "text": "two", "n": Int64(5), "nested": [{"x": Decimal128("1.5")}]},
]
DUMP = b"".join(map(bson.encode, ROWS))


def documents(path: Path) -> list[Any]:
    return [document.values if isinstance(document, Document) else document for document in read_files({path: "all"})]


@pytest.mark.parametrize(("name", "packed"), [("rows.bson", False), ("rows.bson.gz", True), ("rows", False)])
def test_bson_rows_are_the_documents_of_a_dump(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(DUMP) if packed else DUMP)

    assert [row for _, row in iter_rows(path)] == ROWS
    assert str(describe_file(path)) == "BSON documents (mongodump)" + (", gzip" if packed else "")


@pytest.mark.parametrize("end", [DUMP[:-3], DUMP + b"\x05\0", DUMP + b"\xff\xff\xff\x7f"])
def test_bson_rows_name_the_damaged_document(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "rows.bson"
    path.write_bytes(end)
    number = 2 if len(end) < len(DUMP) else 3

    with pytest.raises(AssayError, match=rf"is damaged or cut off in document {number}; dump the collection again"):
        list(iter_rows(path))


def test_bson_rows_reject_only_the_document_that_cannot_be_decoded(tmp_path: Path) -> None:
    path = tmp_path / "rows.bson"
    broken = bytearray(bson.encode({"a": "xy"}))
    broken[7] = 99  # the length of the text
    path.write_bytes(DUMP + bytes(broken) + DUMP)

    rows = [row for _, row in iter_rows(path)]

    assert [type(row) for row in rows] == [dict, dict, InvalidRow, dict, dict]
    assert isinstance(rows[2], InvalidRow)
    assert rows[2].reason.startswith("not readable: ")


@pytest.mark.parametrize("options", [json_util.CANONICAL_JSON_OPTIONS, json_util.RELAXED_JSON_OPTIONS])
@pytest.mark.parametrize("form", ["lines", "array", "pretty"])
def test_read_files_unwraps_extended_json(tmp_path: Path, options: Any, form: str) -> None:
    path = tmp_path / "rows.json"
    text = {
        "lines": "\n".join(json_util.dumps(row, json_options=options) for row in ROWS),
        "array": json_util.dumps(ROWS, json_options=options),
        "pretty": "\n".join(json_util.dumps(row, json_options=options, indent=2) for row in ROWS),
    }
    path.write_text(text[form])

    assert documents(path) == ROWS


def test_read_files_rejects_values_that_are_no_extended_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"_id": {"$oid": "zz"}}\n{"cost": "5 $", "a": {"$b": 1, "$oid": 2}}\n')

    invalid, row = documents(path)

    assert isinstance(invalid, InvalidRow)
    assert invalid.reason.startswith("not valid extended JSON: {'$oid': 'zz'} is not an ObjectId")
    assert row == {"cost": "5 $", "a": {"$b": 1, "$oid": 2}}
