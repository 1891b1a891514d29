import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assay import cli
from tests.bundles import build_bundle
from tests.cli.calls import call
from tests.flows.tiny import write_rows
from tests.mongo import Mongo


def test_predict_reports_an_invalid_bundle_folder_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 3)
    output = tmp_path / "out.jsonl"
    assert call(monkeypatch, "predict", "--model", tmp_path, "--input", rows, "--output", output) == 1
    assert "holds no bundle.json" in capsys.readouterr().err
    assert not output.exists()


def toy_bundle(folder: Path) -> Path:
    (folder / "bundle").mkdir()
    return build_bundle(folder / "bundle", {"good": "up", "bad": "down"}, {}).folder


def test_predict_reads_a_table_in_the_encoding_of_its_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, rows, output = toy_bundle(tmp_path), tmp_path / "rows.csv", tmp_path / "out.tsv"
    rows.write_bytes("text~n\nschön good~1\nübel bad~2\n".encode("cp1252"))
    command = ("predict", "--model", bundle, "--input", rows, "--output", output, "--separator", "~")

    assert call(monkeypatch, *command) == 1
    assert "is not UTF-8 (as Windows-1252 it reads 'schön good~1'); set source.file" in capsys.readouterr().err
    assert not output.exists()
    assert call(monkeypatch, *command, "--encoding", "windows-1252") == 0
    assert [line.split("\t")[:3] for line in output.read_text(encoding="utf-8").splitlines()] == [
        ["text", "n", "label"],
        ["schön good", "1", "up"],
        ["übel bad", "2", "down"],
    ]


def test_predict_refuses_a_password_without_repeating_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = toy_bundle(tmp_path)
    address = "mongodb://anna:geheim@127.0.0.1/news/texts"
    output = tmp_path / "out.jsonl"
    assert call(monkeypatch, "predict", "--model", bundle, "--input", address, "--output", output) == 1
    error = capsys.readouterr().err
    assert "geheim" not in error
    assert "give --input mongo:env:VARIABLE/DATABASE/COLLECTION" in error


def test_predict_reads_a_collection_and_writes_a_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mongo: Mongo,
) -> None:
    bundle = toy_bundle(tmp_path)
    monkeypatch.setenv("TEST_MONGO", mongo.uri)
    mongo.fill("texts", [{"_id": 1, "body": "good", "n": 1}, {"_id": 2, "n": 2}, {"_id": 3, "body": "bad", "n": 9}])
    here = f"mongo:env:TEST_MONGO/{mongo.database}/texts"
    words: list[str | Path] = [
        "predict",
        "--model",
        bundle,
        "--input",
        here,
        "--output",
        tmp_path / "out.jsonl",
        "--text",
        "body",
    ]
    assert call(monkeypatch, *words, "--keep", "n", "--filter", '{"n": {"$lt": 5}}') == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["_id"], row["n"], row["label"]) for row in rows] == [(1, 1, "up")]
    assert "1 row predicted" in capsys.readouterr().out
    assert call(monkeypatch, *words, "--filter", '{"n": {"$where": "1"}}') == 1
    assert "--filter holds the operator '$where'" in capsys.readouterr().err


def test_predict_resumes_after_sigterm(tmp_path: Path) -> None:
    bundle = toy_bundle(tmp_path)
    lines = [json.dumps({"id": number, "text": "good " * 50}) for number in range(20_000)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "assay.cli",
        "predict",
        "--model",
        bundle,
        "--input",
        "in.jsonl",
        "--output",
        "out.jsonl",
    ]
    words += ["--shard-rows", "100"]
    work = tmp_path / ".out.jsonl.shards"
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not (work / "0000003.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert error.startswith(
        "assay: stopped by SIGTERM; no output is half-written; run the same command to resume after"
    )
    assert error.count("\n") == 1
    assert not (tmp_path / "out.jsonl").exists()
    assert not [path.name for path in work.iterdir() if path.name.startswith(".")]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "20,000 rows predicted in out.jsonl" in done.stdout
    assert "of them by an earlier command" in done.stdout


def run(folder: Path, *words: str | Path, input: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    command = [sys.executable, "-m", "assay.cli", "predict", "--model", "bundle", *words]
    return subprocess.run(command, cwd=folder, env=environment, input=input, capture_output=True, check=False)


def test_predict_reads_and_writes_pipes(tmp_path: Path) -> None:
    toy_bundle(tmp_path)
    rows = b'{"text": "good"}\n{"text": " "}\n{"text": "bad"}\n'
    done = run(tmp_path, "--input", "-", "--output", "-", input=rows)
    assert (done.returncode, [json.loads(line)["label"] for line in done.stdout.splitlines()]) == (0, ["up", "down"])
    assert b'"row": 2' in done.stderr
    assert b"2 rows predicted in standard output" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_predict_reads_a_fifo_of_any_name(tmp_path: Path) -> None:
    toy_bundle(tmp_path)
    os.mkfifo(tmp_path / "output")
    with subprocess.Popen(["sh", "-c", 'echo \'{"text": "good"}\' > output'], cwd=tmp_path):
        done = run(tmp_path, "--input", "output", "--output", "-")
    assert (done.returncode, json.loads(done.stdout)["label"]) == (0, "up")


def test_predict_writes_into_a_fifo_and_leaves_it_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, rows, pipe = toy_bundle(tmp_path), tmp_path / "rows.tsv", tmp_path / "out.tsv"
    rows.write_text("n\ttext\n1\tgood\n", encoding="utf-8")
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert call(monkeypatch, "predict", "--model", bundle, "--input", rows, "--output", pipe) == 0
        output, _ = reader.communicate(timeout=60)
    assert output.splitlines()[0].split("\t")[:3] == ["n", "text", "label"]
    assert output.splitlines()[1].split("\t")[:3] == ["1", "good", "up"]
    assert pipe.is_fifo()
    assert f"1 row predicted in {pipe}" in capsys.readouterr().err


def test_predict_replaces_an_output_only_if_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, rows, output = toy_bundle(tmp_path), tmp_path / "rows.csv", tmp_path / "out.csv"
    rows.write_text("text\ngood\n", encoding="utf-8")
    output.write_text("precious", encoding="utf-8")
    command = ("predict", "--model", bundle, "--input", rows, "--output", output)
    assert call(monkeypatch, *command) == 1
    assert f"--output is {output}, which exists; add --overwrite" in capsys.readouterr().err
    assert output.read_text(encoding="utf-8") == "precious"
    assert call(monkeypatch, *command, "--overwrite", "--labels-only") == 0
    assert output.read_text(encoding="utf-8") == "text,label,truncated\ngood,up,false\n"


def test_predict_fails_if_no_row_could_be_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, rows, output = toy_bundle(tmp_path), tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text('{"text": " "}\n', encoding="utf-8")
    assert call(monkeypatch, "predict", "--model", bundle, "--input", rows, "--output", output) == 1
    assert "no row could be predicted" in capsys.readouterr().err
    assert "blank" in (tmp_path / "out.jsonl.errors.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_predict_leaves_out_what_its_options_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bundle, rows, output = toy_bundle(tmp_path), tmp_path / "rows.jsonl", tmp_path / name
    rows.write_text('{"text": "good"}\n{"text": "bad"}\n', encoding="utf-8")
    options = ("--top-k", "1", "--threshold", "1")
    assert call(monkeypatch, "predict", "--model", bundle, "--input", rows, "--output", output, *options) == 0
    from assay.corpus.sources.files import iter_rows

    read = [row for _, row in iter_rows(output) if isinstance(row, dict)]
    assert [row["label"] or None for row in read] == [None, None]
    if name == "out.jsonl":
        assert [list(row["probabilities"]) for row in read] == [["up"], ["down"]]
    else:
        assert [bool(row["probability.up"]) for row in read] == [True, False]
        assert [bool(row["probability.down"]) for row in read] == [False, True]
