import gzip
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Prediction, Row
from assay.serving.predict import PredictionCounts, predict_file
from tests.processes import environment_without_coverage
from tests.serving.conftest import BuildToy
from tests.waiting import wait_until

SHARD = 10
KINDS = ["in.jsonl", "in.jsonl.gz", "in.csv", "in.csv.gz", "in.parquet"]
TARGETS = ["out.jsonl", "out.jsonl.gz", "out.csv", "out.csv.gz", "out.parquet"]


def rows(count: int) -> list[dict[str, Any]]:
    """Return texts with line breaks, quotes and letters of several bytes."""
    words = ["good Apple 🎉", 'bad "Müller",\nMünchen', "fine", "bad\r\n東京"]
    return [{"id": str(number), "text": f"{words[number % 4]} {number}"} for number in range(count)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows to a file of the kind of its extension; Parquet in one row group."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if ".csv" in path.name:
        cells = ['"{}","{}"'.format(row["id"], row["text"].replace('"', '""')) for row in rows]
        text = "\n".join(["id,text", *cells]) + "\n"
    else:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


class InterruptedRunError(Exception):
    """The exception that interrupts a run."""


def interrupt_after(engine: Engine, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine fail after it has predicted `count` rows in all."""
    predict_stream, remaining = engine.predict_stream, [count]

    def stream(texts: Iterator[Row]) -> Iterator[Prediction]:
        for prediction in predict_stream(texts):
            if not remaining[0]:
                raise InterruptedRunError
            remaining[0] -= 1
            yield prediction

    monkeypatch.setattr(engine, "predict_stream", stream)


def predict(engine: Engine, source: Path, target: Path) -> PredictionCounts:
    return predict_file(engine, source, target, shard_rows=SHARD)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_predict_file_resumes_an_interrupted_run_and_gives_the_same_bytes(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, target: str
) -> None:
    # given the output of an uninterrupted run, and a run that was interrupted in its fourth shard
    source = write(tmp_path / kind, rows(57))
    assert predict(engine, source, tmp_path / f"whole-{target}").rows == 57
    with monkeypatch.context() as patch:
        interrupt_after(engine, 35, patch)
        with pytest.raises(InterruptedRunError):
            predict(engine, source, tmp_path / target)
    assert not (tmp_path / target).exists()
    work = tmp_path / f".{target}.shards"
    assert sum(path.stem.isdigit() for path in work.glob("*.json")) == 3

    # when it resumes
    counts = predict(engine, source, tmp_path / target)

    # then finished shards are not predicted again, the bytes are the same, and no temporary file is left
    assert (counts.rows, counts.resumed) == (57, 30)
    assert (tmp_path / target).read_bytes() == (tmp_path / f"whole-{target}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(
        [kind, target, f"whole-{target}"]
    )
    assert not work.exists()


@pytest.mark.parametrize("target", TARGETS)
def test_predict_file_writes_the_same_rows_with_and_without_shards(engine: Engine, tmp_path: Path, target: str) -> None:
    source = write(tmp_path / "in.jsonl", rows(57))
    predict_file(engine, source, tmp_path / f"one-{target}")
    predict(engine, source, tmp_path / target)

    first, second = (contents(tmp_path / name) for name in (f"one-{target}", target))

    assert first == second
    assert len(first) > 57 or target.endswith("parquet")


def contents(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data) + b" " * 57


def test_predict_file_cuts_a_row_group_larger_than_a_shard(engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(pa.Table.from_pylist(rows(57)), source, row_group_size=25)

    predict(engine, source, tmp_path / "out.parquet")

    output = pq.ParquetFile(tmp_path / "out.parquet")
    assert [row["id"] for row in output.read().to_pylist()] == [str(number) for number in range(57)]
    assert output.metadata.num_row_groups == 1


def test_predict_file_joins_the_invalid_rows_of_all_shards_into_one_errors_file(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given every kind of invalid line in several shards, one of which has no valid row
    valid = [json.dumps(row, ensure_ascii=False).encode() for row in rows(57)]
    invalid = [b'{"id": 1', b"[1]", b'{"id": 4, "text": "\xff"}', b'{"id": 5}', b'{"text": "  "}', b'{"text": NaN}'] * 5
    lines = [*valid[:13], *invalid, *valid[13:], b'{"id": "last", "text": 7}']
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    interrupt_after(engine, 30, monkeypatch)
    with pytest.raises(InterruptedRunError):
        predict(engine, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    monkeypatch.undo()

    counts = predict(engine, tmp_path / "in.jsonl", tmp_path / "out.jsonl")

    assert (counts.rows, counts.errors, counts.errors_path) == (57, 31, tmp_path / "out.jsonl.errors.jsonl")
    errors = [json.loads(line) for line in (tmp_path / "out.jsonl.errors.jsonl").read_text().splitlines()]
    assert [error["row"] for error in errors] == [*range(14, 44), 88]
    assert errors[-1] == {"row": 88, "id": "last", "reason": "text is 7, not a text; give a string"}
    predicted = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert predicted == [str(number) for number in range(57)]


def test_predict_file_discards_shards_of_another_input_model_or_option(
    build_toy: BuildToy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Engine(build_toy(name, snapshot=name * 64), threads=1) for name in ("a", "b"))
    source = write(tmp_path / "in.jsonl", [{**row, "body": row["text"]} for row in rows(57)])

    def interrupt() -> None:
        with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
            interrupt_after(first, 35, patch)
            predict(first, source, tmp_path / "out.jsonl")

    interrupt()
    assert predict(second, source, tmp_path / "out.jsonl").resumed == 0
    interrupt()
    assert predict_file(first, source, tmp_path / "out.jsonl", text_field="body", shard_rows=SHARD).resumed == 0
    interrupt()
    write(source, [{**row, "text": "good"} for row in rows(57)])
    assert predict(first, source, tmp_path / "out.jsonl").resumed == 0
    interrupt()
    assert predict(first, source, tmp_path / "out.jsonl").resumed == 30


def test_predict_file_predicts_a_damaged_shard_again(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in.jsonl", rows(57))
    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        interrupt_after(engine, 35, patch)
        predict(engine, source, tmp_path / "out.jsonl")
    (tmp_path / ".out.jsonl.shards" / "0000001.jsonl").write_text("{}\n")

    counts = predict(engine, source, tmp_path / "out.jsonl")

    assert counts.resumed == 20
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [str(number) for number in range(57)]


def test_predict_file_refuses_an_input_that_changes_while_it_is_read(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in.jsonl", rows(57))
    predict_stream = engine.predict_stream

    def stream(texts: Iterator[Row]) -> Iterator[Prediction]:
        with source.open("a") as file:
            file.write('{"text": "late"}\n')
        return predict_stream(texts)

    monkeypatch.setattr(engine, "predict_stream", stream)
    with pytest.raises(AssayError, match=r"in\.jsonl changed while it was read"):
        predict(engine, source, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_predict_file_refuses_an_output_that_another_process_writes(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in.jsonl", rows(57))
    predict_stream = engine.predict_stream

    def stream(texts: Iterator[Row]) -> Iterator[Prediction]:
        with monkeypatch.context() as patch:
            patch.setattr(engine, "predict_stream", predict_stream)
            predict(engine, source, tmp_path / "out.jsonl")
        return predict_stream(texts)

    monkeypatch.setattr(engine, "predict_stream", stream)
    with pytest.raises(AssayError, match=r"another process is already writing .*out\.jsonl; wait for it"):
        predict(engine, source, tmp_path / "out.jsonl")


RUN = """
import resource, sys, time
from pathlib import Path
from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.predict import predict_file
engine = Engine(Bundle.load(Path(sys.argv[1])), threads=1)
predict_stream = engine.predict_stream
rows = []
def slow(texts):
    for prediction in predict_stream(texts):
        yield prediction
        rows.append(prediction)
        if len(rows) == {stops_at}:
            time.sleep(600)
engine.predict_stream = slow
if {limit}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    predict_file(engine, Path("in.jsonl"), Path("out.jsonl"), shard_rows=10)
except AssayError as error:
    sys.exit(str(error))
"""


def start(toy: Bundle, folder: Path, stops_at: int = 0, limit: int = 0) -> subprocess.Popen[str]:
    """Start a process that predicts; it stops after a number of rows, until it is killed."""
    code = textwrap.dedent(RUN).format(stops_at=stops_at, limit=limit)
    command, environment = [sys.executable, "-c", code, toy.folder.as_posix()], environment_without_coverage()
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def finished(work: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of each file of the finished shards."""
    numbers = [path.stem for path in work.glob("*.json") if path.stem.isdigit()]
    files = [path for path in work.iterdir() if path.name.partition(".")[0] in numbers]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_predict_file_resumes_a_killed_run_after_its_last_finished_shard(
    toy: Bundle, engine: Engine, tmp_path: Path
) -> None:
    # given a run that is killed after some shards
    source = write(tmp_path / "in.jsonl", rows(157))
    predict(engine, source, tmp_path / "whole.jsonl")
    work = tmp_path / ".out.jsonl.shards"
    process = start(toy, tmp_path, stops_at=45)
    wait_until(lambda: process.poll() is not None or (work / "0000003.json").exists())
    process.kill()
    process.communicate()
    before = finished(work)
    assert len(before) == 2 * 4

    # when it resumes, and is killed again later
    process = start(toy, tmp_path, stops_at=45)
    wait_until(lambda: process.poll() is not None or (work / "0000007.json").exists())
    process.kill()
    process.communicate()

    # then the shards of the first run are unchanged, and the output is that of an uninterrupted run
    after = finished(work)
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * 8
    counts = predict(engine, source, tmp_path / "out.jsonl")
    assert counts.resumed == 10 * len(after) // 2
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_predict_file_keeps_finished_shards_and_the_old_output_on_a_full_disk(
    toy: Bundle, engine: Engine, tmp_path: Path
) -> None:
    # given rows whose output, but no shard, is larger than a process may write
    source = write(tmp_path / "in.jsonl", [{"text": "good " + os.urandom(100).hex()} for _ in range(100)])
    (tmp_path / "out.jsonl").write_text("old")

    process = start(toy, tmp_path, limit=10_000)
    _, stderr = process.communicate()

    assert process.returncode == 1
    assert stderr == "out.jsonl cannot be written: File too large; free space and run the same command to resume\n"
    assert (tmp_path / "out.jsonl").read_text() == "old"
    assert predict(engine, source, tmp_path / "out.jsonl").resumed == 100
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 100
