"""Answer every row of a file or folder: what is bad goes to an errors file with its reason, and the rest is done."""

from dataclasses import dataclass
from pathlib import Path

from corpus.errors import AssayError
from corpus.files import file_kind
from serving.engine import Engine
from serving.folder import predict_folder
from serving.job import ROWS_A_SHARD, Job, PredictionCounts, run_job, survey_job
from serving.progress import rows_bar
from serving.sources import FileSource
from serving.targets import FileTarget

__all__ = ["PredictionCounts", "Request", "predict_file", "predict_request"]


@dataclass(frozen=True)
class Request:
    """What a user asks for.

    `input` and `output` are files or folders. `errors`: where bad rows go; none: beside the output. `shard_rows`:
    rows that are kept together; an input of more than that keeps what is done, until all is done, in a folder
    `.OUTPUT.shards` beside the output.
    """

    input: str
    output: str
    errors: Path | None = None
    text_field: str = "text"
    pair_field: str | None = None
    shard_rows: int = ROWS_A_SHARD


def predict_request(engine: Engine, request: Request) -> PredictionCounts:
    """Answer what is asked for. Broken off and called again, it goes on behind the last whole shard.

    Raises:
        AssayError: a path, a column or the model does not fit, the input is empty, or the disk is full.
    """
    if Path(request.input).is_dir():
        if request.errors:
            raise AssayError(
                f"--errors is {request.errors}, one file; of a folder, bad rows lie beside each output: leave it out"
            )
        return predict_folder(engine, Path(request.input), Path(request.output), file_job(request))
    job = file_job(request)
    survey = survey_job(job, engine)
    with rows_bar(Path(request.input).name, survey.rows) as bar:
        return run_job(job, engine, survey, bar)


def predict_file(
    engine: Engine,
    input: Path,
    output: Path,
    errors: Path | None = None,
    text_field: str = "text",
    pair_field: str | None = None,
    shard_rows: int = ROWS_A_SHARD,
) -> PredictionCounts:
    """Answer a file, row by row in its order, in memory that does not grow with it.

    Args:
        engine: the model.
        input: JSONL, CSV or Parquet, possibly gzipped.
        output: in the format of its extension: all input columns and the answer (see `serving.output`). It
            appears whole or not at all.
        errors: JSON lines of row number, id and reason, only made when a row is bad; none: `OUTPUT.errors.jsonl`.
        text_field: column of the text.
        pair_field: column of the second text, for a model of pairs; none: `text_pair`.
        shard_rows: see `Request`.

    Raises:
        AssayError: see `predict_request`.
    """
    return predict_request(engine, Request(str(input), str(output), errors, text_field, pair_field, shard_rows))


def file_job(request: Request) -> Job:
    """The prediction of a file, or what those of all files of a folder have in common."""
    input, output = Path(request.input), Path(request.output)
    errors = request.errors or output.with_name(output.name + ".errors.jsonl")
    if not input.is_dir():
        _check_paths(input, output, errors)
    return Job(
        source=FileSource(input),
        target=FileTarget(output),
        errors=errors,
        work=output.with_name(f".{output.name}.shards"),
        text_field=request.text_field,
        pair_field=request.pair_field,
        shard_rows=request.shard_rows,
    )


def _check_paths(input: Path, output: Path, errors: Path) -> None:
    file_kind(output)
    places = {"--input": input, "--output": output, "--errors": errors}
    seen: dict[Path, str] = {}
    for option, path in places.items():
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise AssayError(f"{option} is {path}, the same file as {other}; name another one")
