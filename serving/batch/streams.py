"""Predictions from and to pipes: standard input and output, FIFOs, devices.

An input is read twice and may be large, so it is copied into a file first. What goes to a stream is written when it is
complete. A stream is never replaced by a file.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from assay.corpus.errors import AssayError
from assay.serving.batch.execution import PredictionCounts
from assay.serving.batch.output import SUFFIXES
from assay.serving.batch.request import STANDARD, PredictionRequest, is_stream


def is_stream_request(request: PredictionRequest) -> bool:
    """Return whether the input or a file that is written is a stream."""
    return is_stream(request.input) or writes_stream(request)


def writes_stream(request: PredictionRequest) -> bool:
    """Return whether predictions, invalid rows or rows for people go to a stream."""
    written = (request.output, request.errors, request.abstained)
    return any(is_stream(address) for address in written if address)


def predict_stream(
    request: PredictionRequest, predict: Callable[[PredictionRequest], PredictionCounts]
) -> PredictionCounts:
    """Predict with a file in place of each stream. An interrupted command starts again.

    Invalid rows of an output stream go to stderr, unless the request names a file for them.

    Args:
        request: the request, with at least one stream.
        predict: runs a request on files.

    Raises:
        AssayError: a stream cannot be read or written; see also `assay.serving.predict.predict_request`.
    """
    with tempfile.TemporaryDirectory(prefix="assay-predict-") as name:
        local = _with_files(request, Path(name))
        if is_stream(request.input):
            _copy_input(request.input, Path(local.input))
        with _named(local.input, _shown(request.input, "standard input")):
            counts = predict(local)
        return _send(request, local, counts)


def _with_files(request: PredictionRequest, folder: Path) -> PredictionRequest:
    """Return the request with a file in `folder` in place of each stream."""
    local = request
    if is_stream(request.input):
        # A FIFO may say by its name what it holds; standard input says it by its content.
        stem = "stdin" if request.input == STANDARD else Path(request.input).name
        local = replace(local, input=str(folder / "input" / stem))
    if is_stream(request.output):
        local = replace(local, output=str(folder / "output" / _file_name(request.output, request.format)))
    if request.errors and is_stream(request.errors):
        local = replace(local, errors=str(folder / "errors" / "errors.jsonl"))
    if request.abstained and is_stream(request.abstained):
        local = replace(local, abstained=str(folder / "abstained" / _file_name(request.abstained, request.format)))
    return local


def _send(request: PredictionRequest, local: PredictionRequest, counts: PredictionCounts) -> PredictionCounts:
    """Copy each file that stands for a stream into it, and return the counts with the names of the streams."""
    shown: dict[str, str] = {}
    if local.output != request.output:
        _copy_output(Path(local.output), request.output)
        shown["output"] = _shown(request.output, "standard output")
        if request.errors is None and counts.errors_path is not None:
            sys.stderr.write(Path(counts.errors_path).read_text(encoding="utf-8"))
            shown["errors_path"] = "the lines above"
    if request.errors and local.errors and local.errors != request.errors:
        _copy_output(Path(local.errors), request.errors)
        if counts.errors_path is not None:
            shown["errors_path"] = _shown(request.errors, "standard output")
    if request.abstained and local.abstained and local.abstained != request.abstained:
        _copy_output(Path(local.abstained), request.abstained)
        shown["abstained_path"] = _shown(request.abstained, "standard output")
    return counts.model_copy(update=shown)


def _copy_input(address: str, path: Path) -> None:
    path.parent.mkdir()
    with _stream_errors(_shown(address, "standard input")), path.open("wb") as file, _open(address, 0, "rb") as stream:
        shutil.copyfileobj(stream, file)


def _file_name(address: str, format_: str) -> str:
    name = "predictions" if address == STANDARD else Path(address).name
    return name if name.lower().endswith(SUFFIXES) else f"{name}.{format_}"


def _copy_output(path: Path, address: str) -> None:
    """Write a file into a stream; of a file that is not there, write nothing, so that the reader of a FIFO ends."""
    with _stream_errors(_shown(address, "standard output")), _open(address, 1, "wb") as stream:
        if path.exists():
            with path.open("rb") as file:
                shutil.copyfileobj(file, stream)


def _open(address: str, descriptor: int, mode: str) -> BinaryIO:
    if address == STANDARD:
        return open(descriptor, mode, closefd=False)  # type: ignore[return-value]  # a descriptor
    return Path(address).open(mode)  # type: ignore[return-value]  # the modes are binary


def _shown(address: str, standard: str) -> str:
    return standard if address == STANDARD else address


@contextmanager
def _named(path: str, name: str) -> Iterator[None]:
    """Name a stream in errors, instead of the file that stands for it."""
    try:
        yield
    except AssayError as error:
        raise AssayError(str(error).replace(path, name)) from error


@contextmanager
def _stream_errors(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise AssayError(f"{name} was closed before all predictions were written; read it to its end") from None
    except OSError as error:
        raise AssayError(f"{name}: {error.strerror}; check it, or name a file") from error
