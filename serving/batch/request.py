"""The request of a user for a batch prediction."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.storage.remote_files import exists, is_remote
from assay.serving.batch.mongo_address import is_mongo
from assay.serving.batch.prediction_job import ROWS_PER_SHARD
from assay.serving.batch.row_sources import UNCHANGED
from assay.serving.prediction_options import ALL, PredictionOptions

FORMATS = ("jsonl", "csv", "tsv", "parquet")
# Standard input or output.
STANDARD = "-"
_DEVICES = Path("/dev"), Path("/proc")
# Folder in an output folder, until all files are predicted.
SHARDS = ".shards"


@dataclass(frozen=True)
class PredictionRequest:
    """The input, the output and the options of a prediction.

    `input` and `output` are files, folders, files at fsspec addresses (see `assay.serving.batch.remote_job`) or
    MongoDB collections (see `assay.serving.batch.mongo_address`).

    Args:
        input: where the rows come from.
        output: where the predictions go.
        errors: the file of the invalid rows; None writes it beside the output.
        abstained: a second file for the rows that the decision of the model leaves to people; None writes none.
        text_field: column of the text.
        pair_field: column of the second text, for a model of pairs; None reads `text_pair`.
        shard_rows: rows per shard. While an input of several shards is predicted, its finished shards lie in the folder
            `.OUTPUT.shards` beside the output, or in `state` for a collection.
        state: folder of unfinished predictions into collections and addresses.
        filter: a MongoDB filter that selects the documents of an input collection.
        keep: fields of an input collection that the output holds beside `_id` and the text.
        id_field: column of an input file that becomes the `_id` of a document; None takes `_id` if the file has that
            column, else `id`.
        timeout_s: seconds until an unreachable MongoDB server is an error.
        file: how input files are read.
        options: what to write of a prediction.
        overwrite: whether an existing output file or folder is replaced; otherwise it is an error.
        format: format of an output without an extension, a pipe: one of `FORMATS`.
    """

    input: str
    output: str
    errors: str | None = None
    text_field: str = "text"
    pair_field: str | None = None
    shard_rows: int = ROWS_PER_SHARD
    state: Path = Path(".assay/predict")
    filter: Mapping[str, Any] = field(default_factory=dict)
    keep: Sequence[str] = ()
    id_field: str | None = None
    timeout_s: float = 30
    file: FileSettings = UNCHANGED
    options: PredictionOptions = ALL
    overwrite: bool = True
    format: str = "jsonl"
    abstained: str | None = None


def file_settings(separator: str | None, encoding: str | None, columns: str | None = None) -> FileSettings:
    """Return how input files are read, from the options of a command.

    Args:
        separator: a character, or `tab`; None: recognised.
        encoding: name of an encoding; None: recognised.
        columns: names of the columns in their order, with commas between them; None: the first line names them.

    Raises:
        AssayError: one of them is unknown.
    """
    character = "\t" if separator == "tab" else separator
    numbers = {} if columns is None else _numbered(columns)
    try:
        return FileSettings(separator=character, encoding=encoding, columns=numbers, decimal=UNCHANGED.decimal)
    except ValidationError as error:
        fault = error.errors()[0]
        name = fault["loc"][0]
        raise AssayError(
            f"--{name} is {fault['input']!r}; write one character such as ';' or tab"
            if name == "separator"
            else f"--{name} is {fault['input']!r}, which is not a text encoding; write windows-1252 or utf-16"
        ) from error


def _numbered(columns: str) -> dict[str, int]:
    """Return the number of each column by its name; one without a name keeps its number as name."""
    names = [name.strip() for name in columns.split(",")]
    numbers = {name: number for number, name in enumerate(names, start=1) if name}
    if not numbers or len(numbers) < len(list(filter(None, names))):
        raise AssayError(f"--columns is {columns!r}; write each name once, in the order of the columns: id,text")
    return numbers


def is_folder(request: PredictionRequest) -> bool:
    """Return whether the request predicts the files of one folder into another folder."""
    return not is_mongo(request.input) and Path(request.input).is_dir()


def is_stream(address: str) -> bool:
    """Return whether an address is `-`, or names a pipe or a device."""
    if address == STANDARD:
        return True
    if is_mongo(address) or is_remote(address):
        return False
    path = Path(address)
    # A device such as /dev/stdout may lead to a regular file, but its name is never that of a new file.
    return any(folder in path.parents for folder in _DEVICES) or (
        path.exists() and not path.is_file() and not path.is_dir()
    )


def check_output(request: PredictionRequest) -> None:
    """Check that the output may be written: it does not exist, an unfinished prediction left it, or `overwrite` is set.

    Raises:
        AssayError: the output, or the file of the rows that are left to people, exists; two of the files are one
            stream, a folder goes to a stream, or standard input or output is closed.
    """
    _check_streams(request)
    people = request.abstained
    if not request.overwrite and people is not None and not is_stream(people) and Path(people).exists():
        raise AssayError(f"--abstained is {request.abstained}, which exists; add --overwrite, or name another file")
    kept = not request.overwrite and not is_mongo(request.output) and not is_stream(request.output)
    if kept and _is_occupied(request):
        raise AssayError(f"--output is {request.output}, which exists; add --overwrite, or name another output")


def _check_streams(request: PredictionRequest) -> None:
    written = {"--output": request.output, "--errors": request.errors, "--abstained": request.abstained}
    streams = {option: address for option, address in written.items() if address and is_stream(address)}
    seen: dict[str, str] = {}
    for option, address in streams.items():
        if is_folder(request):
            raise AssayError(f"{option} is {address}, a stream, but --input is a folder; predict each file by itself")
        first_option = seen.setdefault(address, option)
        if first_option != option and address != os.devnull:
            raise AssayError(f"{option} is {address}, the same stream as {first_option}; name a file")
    # The system gives the number of a closed one to the next file that is opened.
    if request.input == STANDARD and sys.__stdin__ is None:
        raise AssayError("--input is -, but standard input is closed; connect it, or name a file")
    if STANDARD in seen and sys.__stdout__ is None:
        raise AssayError(f"{seen[STANDARD]} is -, but standard output is closed; connect it, or name a file")


def _is_occupied(request: PredictionRequest) -> bool:
    if is_remote(request.output):
        return exists(request.output)
    output = Path(request.output)
    if is_folder(request):
        # The folder of the shards marks an unfinished prediction, whose files are complete one by one.
        return output.exists() and not (output / SHARDS).exists() and any(output.iterdir())
    return output.exists()
