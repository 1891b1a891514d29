import json
import re
from pathlib import Path

import openpyxl
import pytest
from datasets import Dataset

from assay.corpus.errors import AssayError
from assay.serving.engine import Engine
from assay.serving.predict import PredictionCounts, PredictionRequest, predict_request
from tests.serving.batch.test_execution import InterruptedRunError, contents, interrupt_after, rows, write

NAMES = ["a.jsonl", "b.parquet", "deep/c.csv.gz", "deep/d.jsonl"]


CONTENT = {"notes.md": "just some notes\nand more of them\n", "picture.md": "\x89PNG\r\n\x1a\n"}


def fill(folder: Path) -> Path:
    """Write files of 57, 30, 9 and no rows; one row of the second is invalid."""
    (folder / "deep").mkdir(parents=True)
    write(folder / "a.jsonl", rows(57))
    write(folder / "b.parquet", [*rows(29), {"id": "bad", "text": " "}])
    write(folder / "deep" / "c.csv.gz", rows(9))
    (folder / "deep" / "d.jsonl").touch()
    (folder / "_SUCCESS").touch()
    (folder / ".hidden.txt").touch()
    return folder


def predict(engine: Engine, folder: Path, output: Path) -> PredictionCounts:
    return predict_request(engine, PredictionRequest(str(folder), str(output), shard_rows=10))


def test_predict_request_writes_a_folder_of_the_same_names(engine: Engine, tmp_path: Path) -> None:
    counts = predict(engine, fill(tmp_path / "in"), tmp_path / "out")

    assert (counts.rows, counts.errors) == (95, 1)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert names == sorted([*NAMES, "b.parquet.errors.jsonl"])
    assert [row["id"] for row in contents(tmp_path / "out" / "b.parquet")] == [str(number) for number in range(29)]


def test_predict_request_resumes_a_folder_after_its_last_file_and_shard(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an uninterrupted run, and one that was interrupted in the second file
    predict(engine, fill(tmp_path / "in"), tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        interrupt_after(engine, 70, patch)
        predict(engine, tmp_path / "in", tmp_path / "out")
    first = (tmp_path / "out" / "a.jsonl").stat()
    assert not (tmp_path / "out" / "b.parquet").exists()

    counts = predict(engine, tmp_path / "in", tmp_path / "out")

    # then the first file is unchanged, and all bytes are the same
    assert counts.model_dump(exclude={"output", "errors_path"}) == {
        "abstained": None,
        "abstained_path": None,
        "rows": 95,
        "errors": 1,
        "truncated": 0,
        "resumed": 67,
    }
    second = (tmp_path / "out" / "a.jsonl").stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)
    for name in [*NAMES, "b.parquet.errors.jsonl"]:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "out" / ".shards").exists()


def test_predict_request_predicts_changed_files_of_a_folder_again(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(InterruptedRunError):
        interrupt_after(engine, 70, patch)
        predict(engine, fill(tmp_path / "in"), tmp_path / "out")
    write(tmp_path / "in" / "a.jsonl", rows(7))

    assert predict(engine, tmp_path / "in", tmp_path / "out").rows == 7 + 29 + 9


def test_predict_request_reads_every_kind_of_a_folder_and_writes_lines_where_it_cannot_write_the_kind(
    engine: Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps([{"text": "good"}, {"text": "bad"}, {"text": " "}]))
    (folder / "b.txt").write_text("text\tn\ngood\t1\n")
    book = openpyxl.Workbook()
    for cells in (["text"], ["bad"]):
        book.active.append(cells)
    book.save(folder / "c.xlsx")
    Dataset.from_dict({"text": ["good"]}).save_to_disk(folder / "d")

    counts = predict(engine, folder, tmp_path / "out")

    assert (counts.rows, counts.errors) == (5, 1)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    saved = "d/data-00000-of-00001.arrow.jsonl"
    assert names == ["a.json.jsonl", "a.json.jsonl.errors.jsonl", "b.txt.jsonl", "c.xlsx.jsonl", saved]
    texts = [
        [json.loads(line)["text"] for line in (tmp_path / "out" / name).read_text().splitlines()]
        for name in ("a.json.jsonl", "b.txt.jsonl", "c.xlsx.jsonl", saved)
    ]
    assert texts == [["good", "bad"], ["good"], ["bad"], ["good"]]


@pytest.mark.parametrize(
    ("files", "output", "errors", "message"),
    [
        ([], "out", None, "in holds no files; nothing to predict"),
        (["a.jsonl", "notes.md"], "out", None, "in/notes.md is of an unknown kind: it begins with 'just some notes'"),
        (["a.jsonl", "picture.md"], "out", None, "in/picture.md is a picture; name a file of rows; or leave it out of"),
        (
            ["a.json", "a.json.jsonl"],
            "out",
            None,
            "in/a.json and in/a.json.jsonl would both be written to a.json.jsonl",
        ),
        (["a.jsonl"], "in/out", None, "--output is in/out, which lies in --input in; name a folder outside it"),
        (["a.jsonl"], "in", None, "--output is in, which lies in --input in"),
        (["a.jsonl"], "out", "e.jsonl", "--errors is e.jsonl, one file, but --input is a folder; leave it out"),
    ],
)
def test_predict_request_refuses_an_unusable_folder_before_it_writes(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: list[str],
    output: str,
    errors: str | None,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in files:
        Path("in", name).write_text(CONTENT.get(name, '{"text": "good"}\n'), encoding="latin-1")
    with pytest.raises(AssayError, match=re.escape(message)):
        predict_request(engine, PredictionRequest("in", output, errors))
    assert not list(tmp_path.rglob("*.shards"))
    assert not Path("out").exists()
