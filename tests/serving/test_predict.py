import csv
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.request import file_settings
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.predict import PredictionCounts, PredictionRequest, predict_file, predict_request
from tests.processes import environment_without_coverage
from tests.serving.conftest import BuildToy

ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "good Apple 🎉", "label": "gold", "n": 1, "tags": ["x"]},
    {"id": "b", "text": "bad Müller", "label": "gold", "n": 2.5, "tags": []},
]


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    elif ".csv" in path.name or ".tsv" in path.name:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=_separator(path))
            writer.writeheader()
            writer.writerows(rows)
    else:
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def _read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = data.decode("utf-8")
    if ".jsonl" in path.name:
        return [*map(json.loads, text.splitlines())]
    return list(csv.DictReader(text.splitlines(), delimiter=_separator(path)))


def _separator(path: Path) -> str:
    return "\t" if ".tsv" in path.name else ","


def _as_list(entities: Any) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(entities) if isinstance(entities, str) else entities
    return parsed


@pytest.mark.parametrize("source", ["in.jsonl", "in.jsonl.gz", "in.csv", "in.tsv", "in.parquet"])
@pytest.mark.parametrize("target", ["out.jsonl", "out.jsonl.gz", "out.csv", "out.tsv.gz", "out.parquet"])
def test_predict_file_writes_every_format_from_every_format_with_all_columns(
    engine: Engine, tmp_path: Path, source: str, target: str
) -> None:
    counts = predict_file(engine, _write(tmp_path / source, ROWS), tmp_path / target)
    first, second = _read(tmp_path / target)
    assert (counts.rows, counts.errors, counts.errors_path) == (2, 0, None)
    # the output holds the input columns, the gold label under another name
    assert (first["id"], first["text"], first["input.label"], str(second["n"])) == ("a", "good Apple 🎉", "gold", "2.5")
    assert (first["label"], second["label"]) == ("up", "down")
    (entity,) = _as_list(first["entities"])
    assert (entity["start"], entity["end"], entity["label"], entity["text"]) == (5, 10, "ORG", "Apple")
    assert 0 < entity["score"] <= 1
    up = first["probabilities"]["up"] if "jsonl" in target else float(first["probability.up"])
    assert 0.5 < up < 1
    assert str(first["truncated"]).lower() == "false"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted([source, target])


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("in.csv", "id;text;n\na;gut – good;1,5\nb;bad;2,5\n".encode("cp1252"), {"encoding": "windows-1252"}),
        ("in.csv", "id;text;n\na;gut – good;1,5\nb;bad;2,5\n".encode("utf-16"), {}),
        ("in.txt", "id~text~n\na~gut – good~1,5\nb~bad~2,5\n".encode(), {"separator": "~"}),
        ("in.csv", 'a,gut – good,"1,5"\nb,bad,"2,5"\n'.encode(), {"columns": "id,text,n"}),
        ("in.json", json.dumps([{"id": "a", "text": "gut – good", "n": "1,5"}, {"text": "bad"}]).encode(), {}),
    ],
)
def test_predict_request_reads_files_as_people_have_them(
    engine: Engine, tmp_path: Path, name: str, data: bytes, options: dict[str, str]
) -> None:
    (tmp_path / name).write_bytes(data)
    settings = file_settings(options.get("separator"), options.get("encoding"), options.get("columns"))
    request = PredictionRequest(str(tmp_path / name), str(tmp_path / "out.tsv"), file=settings)

    assert predict_request(engine, request).rows == 2

    first, second = _read(tmp_path / "out.tsv")
    assert (first["id"], first["text"], first["n"], first["label"]) == ("a", "gut – good", "1,5", "up")
    assert (second["text"], second["label"]) == ("bad", "down")


def test_predict_file_keeps_the_types_of_parquet_columns(engine: Engine, tmp_path: Path) -> None:
    when = datetime(2024, 5, 1, 12, 30)
    table = pa.table({"text": ["good"], "when": pa.array([when], pa.timestamp("ms")), "n": pa.array([3], pa.int8())})
    pq.write_table(table, tmp_path / "in.parquet")
    predict_file(engine, tmp_path / "in.parquet", tmp_path / "out.parquet")
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert [schema.field(name).type for name in table.column_names] == table.schema.types
    assert _read(tmp_path / "out.parquet")[0]["when"] == when


@pytest.mark.parametrize("source", ["in.jsonl", "in.parquet"])
@pytest.mark.parametrize("target", ["out.jsonl", "out.parquet"])
def test_predict_file_reads_a_text_within_an_object(engine: Engine, tmp_path: Path, source: str, target: str) -> None:
    rows: list[dict[str, Any]] = [
        {"doc": {"body": {"text": "good"}}},
        {"doc": {"body": {"text": "bad"}}},
        {"doc": None},
    ]
    counts = predict_file(engine, _write(tmp_path / source, rows), tmp_path / target, text_field="doc.body.text")
    assert (counts.rows, counts.errors) == (2, 1)
    predicted = _read(tmp_path / target)
    assert [row["label"] for row in predicted] == ["up", "down"]
    # a name that reaches deeper than the object finds no text
    assert predict_file(engine, tmp_path / source, tmp_path / target, text_field="doc.body.text.x").errors == 3


def test_predict_file_writes_columns_of_mixed_types_as_json_in_tables(engine: Engine, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "good", "mixed": 1},
        {"text": "bad", "mixed": "one", "late": {"a": 1}},
        {"text": "bad", "late": {}},
    ]
    predict_file(engine, _write(tmp_path / "in.jsonl", rows), tmp_path / "out.parquet")
    out = _read(tmp_path / "out.parquet")
    assert [row["mixed"] for row in out] == ["1", '"one"', None]


INVALID_LINES: list[tuple[bytes, str, Any, str]] = [
    (b'{"id": 1, "text": ', "in.jsonl:2", None, "not valid JSON"),
    (b"[1]", "in.jsonl:3", None, "not a JSON object"),
    (b'{"id": 4, "text": "\xff"}', "in.jsonl:4", None, "not valid UTF-8"),
    (b'{"id": 5}', "", 5, "text is missing"),
    (b'{"id": 6, "text": null}', "", 6, "text is missing"),
    (b'{"id": 7, "text": "  "}', "", 7, "text is blank"),
    (b'{"id": 8, "text": NaN}', "", 8, "text is nan, not a text"),
    (b'{"id": 9, "text": ["good"]}', "", 9, "text is ['good'], not a text"),
    (b'{"id": 10, "text": "' + b"x" * 1_000_000 + b'"}', "", 10, "text has 1000000 characters"),
]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_predict_file_takes_times_that_python_cannot_hold(engine: Engine, tmp_path: Path, suffix: str) -> None:
    # Given ids that are times, one of them outside Python's calendar, and an invalid row beside it,
    ids = pa.array([0, 2**60, 2**60], pa.timestamp("ms"))
    pq.write_table(pa.table({"id": ids, "text": ["good", "bad", " "]}), tmp_path / "in.parquet")
    counts = predict_file(engine, tmp_path / "in.parquet", tmp_path / f"out{suffix}")
    # then Parquet, which can hold it, keeps it, and JSON sets its row aside.
    errors = [(error["row"], error["id"], error["reason"]) for error in _read(tmp_path / f"out{suffix}.errors.jsonl")]
    outside = "time is outside the calendar: Python holds the years 1 to 9999"
    if suffix == ".parquet":
        assert counts.rows == 2
        assert pq.read_table(tmp_path / "out.parquet")["id"].cast(pa.int64())[1].as_py() == 2**60
        assert errors == [(3, "in.parquet:3", "text is blank; fill it, or leave the row out")]
    else:
        assert counts.rows == 1
        assert errors == [(2, "in.parquet:2", outside), (3, "in.parquet:3", outside)]


def test_predict_file_sets_aside_invalid_rows_with_their_reason(engine: Engine, tmp_path: Path) -> None:
    # given valid rows around every kind of invalid row
    lines = [
        b'{"id": 0, "text": "good"}',
        *(line for line, *_ in INVALID_LINES),
        b'{"id": 11, "text": "bad", "x": NaN}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    counts = predict_file(engine, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    # then every row is in the output or in the errors file
    assert (counts.rows, counts.errors) == (2, len(INVALID_LINES))
    out = _read(tmp_path / "out.jsonl")
    assert [(row["id"], row["label"]) for row in out] == [(0, "up"), (11, "down")]
    assert out[1]["x"] is None
    assert counts.errors_path == tmp_path / "out.jsonl.errors.jsonl"
    errors = _read(counts.errors_path)
    assert [error["row"] for error in errors] == list(range(2, 11))
    for error, (_, position, row_id, reason) in zip(errors, INVALID_LINES, strict=True):
        assert error["id"] == (position or row_id)
        assert error["reason"].startswith(reason)


def test_predict_file_writes_lone_surrogates_in_every_format(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "good \\ud83d Apple"}\n')
    for target in ("out.jsonl", "out.csv", "out.parquet"):
        predict_file(engine, tmp_path / "in.jsonl", tmp_path / target)
        (row,) = _read(tmp_path / target)
        assert row["text"] == "good \ufffd Apple"
        assert _as_list(row["entities"])[0]["start"] == 7


def test_predict_file_removes_the_errors_file_of_an_earlier_run(engine: Engine, tmp_path: Path) -> None:
    stale = tmp_path / "out.jsonl.errors.jsonl"
    stale.write_text("{}")
    predict_file(engine, _write(tmp_path / "in.jsonl", ROWS), tmp_path / "out.jsonl")
    assert not stale.exists()


def test_predict_file_reads_pairs_from_two_columns(build_toy: BuildToy, tmp_path: Path) -> None:
    engine = Engine(build_toy(pair=True), threads=1)
    rows: list[dict[str, Any]] = [{"q": "good", "p": "fine"}, {"q": "good", "p": None}]
    counts = predict_file(engine, _write(tmp_path / "in.jsonl", rows), tmp_path / "o.csv", None, "q", "p")
    assert (counts.rows, counts.errors) == (1, 1)


def _predict(engine: Engine, folder: Path, rows: list[dict[str, Any]], **options: Any) -> PredictionCounts:
    source = _write(folder / "in.jsonl", rows)
    return predict_file(engine, source, **{"output": folder / "out.jsonl", **options})


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (ROWS, {"text_field": "body"}, "has no column 'body'; name one with --text: id, text, label, n, tags"),
        (ROWS, {"pair_field": "b"}, "this model reads one text per row"),
        ([], {}, "holds no rows"),
        (ROWS, {"output": Path("in.jsonl")}, "--output is in.jsonl, the same file as --input"),
        (ROWS, {"errors": Path("out.jsonl")}, "--errors is out.jsonl, the same file as --output"),
        (ROWS, {"output": Path("out.xlsx")}, "out.xlsx cannot be written"),
    ],
)
def test_predict_file_refuses_unusable_arguments_and_writes_nothing(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[dict[str, Any]],
    options: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssayError, match=re.escape(message)):
        _predict(engine, Path(), rows, **options)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["in.jsonl"]


@pytest.mark.parametrize("target", ["out.jsonl", "out.csv.gz", "out.parquet"])
def test_predict_file_keeps_the_old_output_on_a_full_disk(toy: Bundle, tmp_path: Path, target: str) -> None:
    # given rows whose output is larger than a process may write
    random = np.random.default_rng(0)
    rows = [{"text": "good " + random.bytes(100).hex()} for _ in range(2000)]
    _write(tmp_path / "in.jsonl", rows)
    (tmp_path / target).write_text("old")
    code = f"""
import resource
from pathlib import Path
from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.predict import predict_file
engine = Engine(Bundle.load(Path({str(toy.folder)!r})), threads=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    predict_file(engine, Path("in.jsonl"), Path({target!r}))
except AssayError as error:
    print(error)
"""
    command = [sys.executable, "-c", code]
    environment = environment_without_coverage()
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"{target} cannot be written: File too large; free space or name another --output\n"
    assert done.stderr == ""
    assert (tmp_path / target).read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(["in.jsonl", target])


def test_predict_file_leaves_no_output_when_the_model_fails(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*ROWS, {"id": "invalid", "text": None}]
    monkeypatch.setattr(engine, "_session", None)
    with pytest.raises(AttributeError):
        _predict(engine, tmp_path, rows)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["in.jsonl"]


@pytest.mark.parametrize("target", ["out.jsonl", "out.csv", "out.parquet"])
def test_predict_file_reads_its_own_output(engine: Engine, tmp_path: Path, target: str) -> None:
    # given a predicted file with a gold label, whose columns `label` and `input.label` both exist
    rows = [{"text": "good", "input.label": "gold", "label": "first"}]
    predict_file(engine, _write(tmp_path / "in.jsonl", rows), tmp_path / target)
    (row,) = _read(tmp_path / target)
    assert (row["label"], row["input.label"], row["input.input.label"]) == ("up", "gold", "first")


def test_predict_file_keeps_map_columns(engine: Engine, tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.int64())
    table = pa.table({"text": ["good", "bad"], "counts": pa.array([[("a", 1)], []], kind)})
    pq.write_table(table, tmp_path / "in.parquet")
    predict_file(engine, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["counts"].to_pylist() == [[("a", 1)], []]


def test_predict_file_refuses_a_parquet_file_with_two_columns_of_one_name(engine: Engine, tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["good"]), pa.array(["bad"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(AssayError, match="has the column 'text' more than once"):
        predict_file(engine, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
