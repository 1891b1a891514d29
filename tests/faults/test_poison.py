"""Malformed rows: every valid row is kept, and every invalid one is rejected with its reason."""

import csv
import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Binary, Int64
from bson.datetime_ms import DatetimeMS

from assay.corpus.errors import DataError
from assay.corpus.snapshot import REJECTS, Snapshot
from assay.runs.run import Run
from assay.tasks.extract import extract
from assay.tasks.validate import validate
from tests.faults.counts import check_line, count, many
from tests.mongo import Mongo
from tests.snapshots import make_run

ROWS = many(3_000, 100_000)
HUGE = 50 * 1024 * 1024  # characters


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"a": inner}
    return inner


# What cannot be a text or a class, as MongoDB and JSON can hold it.
BAD_TEXTS: list[Any] = [None, 7, 2.5, float("nan"), True, "", "   ", "\t\n", [], ["good"], {}, nested(60)]
BAD_TEXTS += ["good \0 good", "\ud83d bad"]
BAD_LABELS: list[Any] = [None, {}, [], ["up", "down"], "", " ", nested(60)]
# A list of one class is that class.
GOOD_LABELS: list[Any] = ["up", ["up"]]
# Odd, and right all the same.
ODD_TEXTS = ["👩‍🔬 good", "good" + "\u0301" * 200, "\u202egood", "\ufeffgood", "good\r\n\u2028bad"]
# A day to come is a day; what no calendar has is not.
GOOD_WHENS: list[Any] = ["9999-12-31T23:59:59+00:00", "2199-01-01", "1900-01-01T00:00:00Z", None]
BAD_WHENS: list[Any] = ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00", "yesterday", {"date": 1}, []]


def documents(seed: int, bad_texts: list[Any] = BAD_TEXTS) -> Iterator[tuple[dict[str, Any], bool]]:
    """Return documents, and whether each is valid."""
    draw = random.Random(seed)
    for number in range(ROWS):
        one: dict[str, Any] = {
            "_id": number,
            "text": f"{draw.choice(['good', 'bad'])} {number}",
            "label": "up",
        }
        kind = draw.randrange(7)
        if kind == 0:
            one["text"] = draw.choice(bad_texts)
        elif kind == 1:
            one["label"] = draw.choice(BAD_LABELS)
        elif kind == 2:
            del one[draw.choice(["text", "label"])]
        elif kind == 3:
            one["text"] = f"{draw.choice(ODD_TEXTS)} {number}"
        elif kind == 4:
            one["when"] = draw.choice(GOOD_WHENS)
            one["label"] = draw.choice(GOOD_LABELS)
        elif kind == 5:
            one["when"] = draw.choice(BAD_WHENS)
        yield one, kind in (3, 4, 6)


def check(run: Run, good: list[str], total: int) -> None:
    """Check that every row is kept or rejected once, and that every reject has a reason."""
    snapshot = Snapshot.load(extract.fn(run).path)
    counts = snapshot.manifest.counts
    assert (counts.documents, counts.rows, counts.rejects) == (total, len(good), total - len(good))
    assert [row.id for row in snapshot.examples()] == good
    rejects = [json.loads(line) for line in (snapshot.folder / REJECTS).read_text(encoding="utf-8").splitlines()]
    assert len(rejects) == total - len(good)
    assert all(reject["reason"] and reject["id"] for reject in rejects)


def mongo_run(mongo: Mongo, store: Path, **source: Any) -> Run:
    values = {"kind": "mongo", "uri": "env:TEST_MONGO", "database": mongo.database, "collection": "poison"}
    return make_run(
        store, source={**values, "fields": {"label": "label", "time": "when"}, "max_reject_share": 1, **source}
    )


def test_extract_survives_poison_documents_of_mongodb(
    mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_bson = [text for text in BAD_TEXTS if text != "\ud83d bad"] + [Binary(b"\x00\xff"), Int64(2**60)]
    made = list(documents(1, of_bson))
    for begin in range(0, len(made), 10_000):
        mongo.fill("poison", (one for one, _ in made[begin : begin + 10_000]))
    monkeypatch.setenv("TEST_MONGO", mongo.uri)
    check(mongo_run(mongo, tmp_path), [str(one["_id"]) for one, good in made if good], len(made))
    count("poison documents in MongoDB", len(made), "documents, valid + rejected = all")


def test_extract_survives_invalid_dates_and_huge_documents(
    mongo: Mongo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whens: list[Any] = [
        *(datetime(2026, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), "9999-12-31T23:59:59+00:00", None),
        *("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00", DatetimeMS(2**62), "yesterday", {"date": 1}, []),
    ]
    made = [{"_id": number, "text": "good", "label": "up", "when": when} for number, when in enumerate(whens)]
    mongo.fill("poison", [*made, {"_id": len(made), "text": "x" * (15 * 1024 * 1024), "label": "up"}])
    monkeypatch.setenv("TEST_MONGO", mongo.uri)
    check(mongo_run(mongo, tmp_path), ["0", "1", "2", "3"], len(made) + 1)


def file_run(path: Path, store: Path, **fields: str) -> Run:
    fields = {"id": "_id", "label": "label", **fields}
    source = {"kind": "files", "paths": {str(path): "all"}, "fields": fields, "max_reject_share": 1}
    return make_run(store, source=source)


def test_extract_survives_poison_lines_of_jsonl(tmp_path: Path) -> None:
    path, good, total = tmp_path / "rows.jsonl", list[str](), 0
    broken = [
        *(b"{", b"null", b"[1]", b'"good"', b"\xff\xfe\x00", b'{"text": "good\xff"}', b"{'text': 1}", b"NaN", b"}{"),
        *(b"[" * 5_000, b'{"a":' * 5_000, b'{"text": "good", "label": "up"', b"\x00\x00", b'{"_id": {"$oid": 1}}'),
    ]
    draw = random.Random(2)
    with path.open("wb") as file:
        for one, is_good in documents(2):
            if draw.randrange(5) == 0:
                file.write(draw.choice(broken) + b"\n")
            else:
                file.write(json.dumps(one).encode() + b"\n")
                good += [str(one["_id"])] if is_good else []
            total += 1
        file.write(json.dumps({"_id": "huge", "text": "x" * HUGE, "label": "up"}).encode() + b"\n")
    check(file_run(path, tmp_path, time="when"), good, total + 1)
    count("poison lines of JSONL, with one text of 50 MB", total, "lines, valid + rejected = all")


def test_extract_survives_poison_rows_of_csv(tmp_path: Path) -> None:
    path, good, total = tmp_path / "rows.csv", list[str](), 0
    broken = [b"1,good", b"1,good,up,too,many", b'1,"go\xffod",up', b"1,,up", b"1,good,", b",,"]
    draw = random.Random(3)
    with path.open("wb") as file:
        file.write(b"_id,text,label\n")
        for number in range(ROWS):
            total += 1
            if draw.randrange(3):
                text = f"{draw.choice(ODD_TEXTS)} {number}"
                file.write(csv_line(f"r{number}", text, "up"))
                good.append(f"r{number}")
            else:
                file.write(draw.choice(broken) + b"\n")
    check(file_run(path, tmp_path), good, total)
    count("poison rows of CSV", total, "rows, valid + rejected = all")


def csv_line(*cells: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(cells)
    return text.getvalue().encode()


def test_extract_reports_duplicate_ids(tmp_path: Path) -> None:
    path, different = tmp_path / "rows.jsonl", ROWS * 9 // 10
    rows = ({"_id": number % different, "text": f"good {number}", "label": "up"} for number in range(ROWS))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = file_run(path, tmp_path)
    snapshot = extract.fn(run)
    counts = Snapshot.load(snapshot.path).manifest.counts
    assert (counts.documents, counts.rows, counts.rejects) == (ROWS, ROWS, 0)
    with pytest.raises(DataError, match="id") as error:
        validate.fn(run, snapshot)
    check_line(error.value)
    count("duplicate ids", ROWS - different, "rows, all reported before anything is trained")
