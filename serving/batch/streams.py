"""Predictions from and to pipes: standard input and output, FIFOs, devices.

An input is read twice and may be large, so it is copied into a file first. The output is written when it is complete.
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
    """Return whether the input or the output is a stream."""
    return is_stream(request.input) or is_stream(request.output)


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
    with tempfile.TemporaryDirectory(prefix="assay-predict-") as folder:
        local = request
        if is_stream(request.input):
            local = replace(local, input=str(_copy_input(request.input, Path(folder) / "input")))
        if not is_stream(request.output):
            return predict(local)
        output = Path(folder) / "output" / _file_name(request)
        counts = predict(replace(local, output=str(output)))
        _copy_output(output, request.output)
        if request.errors is None and counts.errors_path is not None:
            sys.stderr.write(Path(counts.errors_path).read_text(encoding="utf-8"))
            counts = counts.model_copy(update={"errors_path": "the lines above"})
        return counts.model_copy(update={"output": _shown(request.output, "standard output")})


def _copy_input(address: str, folder: Path) -> Path:
    # A FIFO may say by its name what it holds; standard input says it by its content.
    folder.mkdir()
    path = folder / ("stdin" if address == STANDARD else Path(address).name)
    with _stream_errors(_shown(address, "standard input")), path.open("wb") as file, _open(address, 0, "rb") as stream:
        shutil.copyfileobj(stream, file)
    return path


def _file_name(request: PredictionRequest) -> str:
    name = "predictions" if request.output == STANDARD else Path(request.output).name
    return name if name.lower().endswith(SUFFIXES) else f"{name}.{request.format}"


def _copy_output(path: Path, address: str) -> None:
    with _stream_errors(_shown(address, "standard output")), path.open("rb") as file, _open(address, 1, "wb") as stream:
        shutil.copyfileobj(file, stream)


def _open(address: str, descriptor: int, mode: str) -> BinaryIO:
    if address == STANDARD:
        return open(descriptor, mode, closefd=False)  # type: ignore[return-value]  # a descriptor
    return Path(address).open(mode)  # type: ignore[return-value]  # the modes are binary


def _shown(address: str, standard: str) -> str:
    return standard if address == STANDARD else address


@contextmanager
def _stream_errors(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise AssayError(f"{name} was closed before all predictions were written; read it to its end") from None
    except OSError as error:
        raise AssayError(f"{name}: {error.strerror}; check it, or name a file") from error
