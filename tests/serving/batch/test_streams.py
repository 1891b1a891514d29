import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.execution import PredictionCounts
from assay.serving.batch.request import PredictionRequest
from assay.serving.batch.streams import is_stream_request, predict_stream


class Copying:
    """Predicts by copying the input to the output; a row `bad` is invalid."""

    def __init__(self) -> None:
        self.request: PredictionRequest | None = None

    def __call__(self, request: PredictionRequest) -> PredictionCounts:
        self.request = request
        output = Path(request.output)
        output.parent.mkdir(exist_ok=True)
        lines = Path(request.input).read_text(encoding="utf-8").splitlines(keepends=True)
        valid = [line for line in lines if line != "bad\n"]
        output.write_text("".join(valid), encoding="utf-8")
        errors = Path(request.errors or f"{request.output}.errors.jsonl")
        invalid = len(lines) - len(valid)
        if invalid:
            errors.parent.mkdir(exist_ok=True)
            errors.write_text("reason\n" * invalid)
        return PredictionCounts(
            rows=len(valid),
            truncated=0,
            errors=invalid,
            output=request.output,
            errors_path=errors if invalid else None,
            resumed=0,
        )


@pytest.fixture
def pipe(tmp_path: Path) -> Callable[[str], Path]:
    """Return `pipe(name)`, which makes a FIFO."""

    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


def _in_thread(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("input", "output", "expected"),
    [("-", "out.csv", True), ("in.csv", "-", True), ("in.csv", "/dev/stdout", True), ("in.csv", "out.csv", False)],
)
def test_is_stream_request_looks_at_both_ends(input: str, output: str, expected: bool) -> None:
    assert is_stream_request(PredictionRequest(input, output)) is expected


def test_predict_stream_reads_a_pipe_into_a_file_of_its_name(tmp_path: Path, pipe: Callable[[str], Path]) -> None:
    source, predict = pipe("rows.tsv"), Copying()
    writing = _in_thread(lambda: source.write_text("Süß\n"))
    counts = predict_stream(PredictionRequest(str(source), str(tmp_path / "out.csv")), predict)
    writing.join()
    assert (counts.rows, counts.output) == (1, str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "Süß\n"
    assert predict.request is not None
    assert Path(predict.request.input).name == "rows.tsv"
    assert not Path(predict.request.input).parent.exists()


@pytest.mark.parametrize(
    ("name", "format_", "file"),
    [
        ("pipe", "csv", "pipe.csv"),
        ("out.PARQUET", "jsonl", "out.PARQUET"),
        ("a.tsv.gz", "jsonl", "a.tsv.gz"),
        ("b.txt", "tsv", "b.txt.tsv"),
    ],
)
def test_predict_stream_writes_the_format_that_a_pipe_names(
    tmp_path: Path, pipe: Callable[[str], Path], name: str, format_: str, file: str
) -> None:
    target, predict, received = pipe(name), Copying(), list[bytes]()
    (tmp_path / "in").write_text("good\n")
    reading = _in_thread(lambda: received.append(target.read_bytes()))
    counts = predict_stream(PredictionRequest(str(tmp_path / "in"), str(target), format=format_), predict)
    reading.join()
    assert (received, counts.output) == ([b"good\n"], str(target))
    assert predict.request is not None
    assert Path(predict.request.output).name == file


def test_predict_stream_joins_standard_input_and_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_text("good\nbad\nfine\n")
    saved, predict = os.dup(0), Copying()
    try:
        with (tmp_path / "in").open("rb") as file:
            os.dup2(file.fileno(), 0)
        counts = predict_stream(PredictionRequest("-", "-"), predict)
    finally:
        os.dup2(saved, 0)
        os.close(saved)
    captured = capfd.readouterr()
    # then invalid rows go to stderr, and both descriptors stay open
    assert (captured.out, captured.err) == ("good\nfine\n", "reason\n")
    assert (counts.rows, counts.errors, counts.output) == (2, 1, "standard output")
    assert counts.errors_path == "the lines above"
    assert predict.request is not None
    assert (Path(predict.request.input).name, Path(predict.request.output).name) == ("stdin", "predictions.jsonl")
    os.fstat(1)


def test_predict_stream_writes_invalid_rows_to_the_file_that_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").write_text("bad\n")
    errors = tmp_path / "errors.jsonl"
    counts = predict_stream(PredictionRequest(str(tmp_path / "in"), "-", errors=str(errors)), Copying())
    assert counts.errors_path == errors
    assert errors.read_text() == "reason\n"
    assert capfd.readouterr().err == ""


def test_predict_stream_names_a_reader_that_closed_its_pipe(tmp_path: Path, pipe: Callable[[str], Path]) -> None:
    target = pipe("out.csv")
    (tmp_path / "in").write_text("good\n" * 100_000)
    reading = _in_thread(lambda: io.FileIO(target).close())
    message = r"out\.csv was closed before all predictions were written; read it to its end"
    with pytest.raises(AssayError, match=message):
        predict_stream(PredictionRequest(str(tmp_path / "in"), str(target)), Copying())
    reading.join()


def test_predict_stream_names_a_device_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"/dev/no-such-device: No such file or directory; check it, or name a file"):
        predict_stream(PredictionRequest("/dev/no-such-device", str(tmp_path / "out.csv")), Copying())


def test_predict_stream_names_a_full_device(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("good\n")
    with pytest.raises(AssayError, match=r"/dev/full: No space left on device; check it, or name a file"):
        predict_stream(PredictionRequest(str(tmp_path / "in"), "/dev/full"), Copying())


@pytest.mark.parametrize("rows", ["good\nbad\n", "good\n"])
def test_predict_stream_writes_invalid_rows_into_a_pipe_and_leaves_it_there(
    tmp_path: Path, pipe: Callable[[str], Path], rows: str
) -> None:
    errors, received = pipe("errors"), list[bytes]()
    (tmp_path / "in").write_text(rows)
    reading = _in_thread(lambda: received.append(errors.read_bytes()))
    request = PredictionRequest(str(tmp_path / "in"), str(tmp_path / "out.csv"), errors=str(errors))
    assert is_stream_request(request)
    counts = predict_stream(request, Copying())
    reading.join()
    # then the reader ends, even if there are none.
    assert received == [b"reason\n" if "bad" in rows else b""]
    assert counts.errors_path == (str(errors) if "bad" in rows else None)
    assert errors.is_fifo()


def test_predict_stream_writes_rows_for_people_to_standard_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def predict(request: PredictionRequest) -> PredictionCounts:
        assert request.abstained is not None
        Path(request.abstained).parent.mkdir()
        Path(request.abstained).write_text("text\n")
        return Copying()(request).model_copy(update={"abstained": 1, "abstained_path": Path(request.abstained)})

    (tmp_path / "in").write_text("good\n")
    request = PredictionRequest(str(tmp_path / "in"), str(tmp_path / "out.csv"), abstained="-", format="csv")
    counts = predict_stream(request, predict)
    assert (capfd.readouterr().out, counts.abstained_path) == ("text\n", "standard output")


def test_predict_stream_names_standard_input_in_errors() -> None:
    def predict(request: PredictionRequest) -> PredictionCounts:
        raise AssayError(f"{request.input} is empty; name a file with rows")

    saved = os.dup(0)
    try:
        with Path(os.devnull).open("rb") as file:
            os.dup2(file.fileno(), 0)
        with pytest.raises(AssayError, match=r"^standard input is empty; name a file with rows"):
            predict_stream(PredictionRequest("-", "-"), predict)
    finally:
        os.dup2(saved, 0)
        os.close(saved)
