import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.request import (
    SHARDS,
    PredictionRequest,
    check_output,
    file_settings,
    is_folder,
    is_stream,
)


def test_file_settings_read_the_options_of_a_command() -> None:
    settings = file_settings("tab", "cp1252")
    assert (settings.separator, settings.encoding, settings.decimal) == ("\t", "cp1252", ".")
    unset = file_settings(None, None)
    assert (unset.separator, unset.encoding) == (None, None)


def test_file_settings_number_the_columns_in_their_order() -> None:
    assert file_settings(None, None, "id, text").columns == {"id": 1, "text": 2}
    assert file_settings(None, None, ",,text").columns == {"text": 3}


@pytest.mark.parametrize("columns", ["", ",", "text,text"])
def test_file_settings_refuse_columns_without_names_of_their_own(columns: str) -> None:
    with pytest.raises(
        AssayError, match=f"--columns is '{columns}'; write each name once, in the order of the columns"
    ):
        file_settings(None, None, columns)


def test_file_settings_name_the_option_at_fault() -> None:
    with pytest.raises(AssayError, match="--separator is 'semicolon'; write one character such as ';' or tab"):
        file_settings("semicolon", None)
    with pytest.raises(AssayError, match="--encoding is 'latin-x', which is not a text encoding; write windows"):
        file_settings(None, "latin-x")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("-", True),
        ("pipe", True),
        ("/dev/stdin", True),
        ("/dev/fd/63", True),
        ("/proc/self/fd/0", True),
        ("/dev/not-there", True),
        ("file.csv", False),
        ("folder", False),
        ("not-there.csv", False),
        ("mongo:env:URI/db/texts", False),
        ("s3://bucket/rows.csv", False),
    ],
)
def test_is_stream_tells_pipes_and_devices_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, expected: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("file.csv").write_text("")
    Path("folder").mkdir()
    assert is_stream(address) is expected


def test_is_folder_asks_the_input_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mongo:env:URI/db").mkdir(parents=True)
    assert is_folder(PredictionRequest(".", "out.csv"))
    assert not is_folder(PredictionRequest("in.csv", "."))
    assert not is_folder(PredictionRequest("mongo:env:URI/db", "out.csv"))


@pytest.mark.parametrize("output", ["out.csv", "new.csv", "filled", "empty", "unfinished", "-", "mongo:env:URI/db/out"])
@pytest.mark.parametrize("input", ["in.csv", "inputs"])
def test_check_output_refuses_what_a_finished_prediction_would_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, input: str, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out.csv").write_text("old")
    for folder in ("inputs", "filled", "empty", f"unfinished/{SHARDS}"):
        Path(folder).mkdir(parents=True)
    Path("filled/part.csv").write_text("old")
    Path("unfinished/part.csv").write_text("old")
    if output == "-" and input == "inputs":
        return  # a stream for a folder is refused with a reason of its own
    check_output(PredictionRequest(input, output))  # replaces by default
    refused = {"in.csv": {"out.csv", "filled", "empty", "unfinished"}, "inputs": {"filled"}}
    request = PredictionRequest(input, output, overwrite=False)
    if output == "out.csv" and input == "inputs":
        return  # a file for a folder is refused with a reason of its own
    if output in refused[input]:
        message = f"--output is {output}, which exists; add --overwrite, or name another output"
        with pytest.raises(AssayError, match=re.escape(message)):
            check_output(request)
    else:
        check_output(request)


def test_check_output_looks_at_remote_addresses(bucket: str) -> None:
    import fsspec

    request = PredictionRequest("in.csv", f"{bucket}/out.csv", overwrite=False)
    check_output(request)
    with fsspec.open(request.output, "w") as file:
        file.write("old")
    with pytest.raises(AssayError, match=r"out\.csv, which exists; add --overwrite"):
        check_output(request)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "-", "errors": "-"}, "--errors is -, the same stream as --output; name a file"),
        ({"output": "out.csv", "errors": "/dev/stderr", "abstained": "/dev/stderr"}, "--abstained is /dev/stderr, the"),
        (
            {"input": ".", "output": "-"},
            "--output is -, a stream, but --input is a folder; predict each file",
        ),
        ({"input": ".", "output": "out", "errors": "/dev/null"}, "--errors is /dev/null, a stream, but --input is a"),
    ],
)
def test_check_output_refuses_streams_that_would_mix(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AssayError, match=re.escape(message)):
        check_output(replace(PredictionRequest("in.csv", "out.csv"), **options))


def test_check_output_accepts_the_device_that_holds_nothing_for_all() -> None:
    check_output(PredictionRequest("in.csv", "/dev/null", errors="/dev/null", abstained="/dev/null", overwrite=False))


@pytest.mark.parametrize(("stream", "input", "output"), [("stdin", "-", "out.csv"), ("stdout", "in.csv", "-")])
def test_check_output_names_a_closed_stream(
    monkeypatch: pytest.MonkeyPatch, stream: str, input: str, output: str
) -> None:
    # Python has None for a stream that was closed when it started; a file that is opened later gets its number.
    monkeypatch.setattr(f"sys.__{stream}__", None)
    message = f"is -, but standard {stream.removeprefix('std')}put is closed; connect it, or name a file"
    with pytest.raises(AssayError, match=message):
        check_output(PredictionRequest(input, output))
