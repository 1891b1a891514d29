"""Answer every row of a file, folder or collection: bad rows go to an errors file with the reason, the rest is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.corpus.errors import AssayError
from assay.corpus.sources.files import check_file, file_kind, iter_rows
from assay.corpus.sources.mongo_connection import hosts
from assay.corpus.storage.digest import digest_json
from assay.corpus.storage.remote_files import is_remote
from assay.serving.batch.execution import PredictionCounts, run_job
from assay.serving.batch.folder import predict_folder
from assay.serving.batch.mongo_address import is_mongo, mongo_query
from assay.serving.batch.mongo_source import MongoCollectionSource
from assay.serving.batch.mongo_target import MongoTarget
from assay.serving.batch.prediction_job import ROWS_A_SHARD, PredictionJob, scan_job, text_fields
from assay.serving.batch.progress import rows_bar
from assay.serving.batch.remote_job import needs_copies, predict_by_copies
from assay.serving.batch.row_sources import FileSource, Source
from assay.serving.batch.targets import FileTarget, Target
from assay.serving.engine import Engine

__all__ = ["PredictionCounts", "Request", "predict_file", "predict_request"]


@dataclass(frozen=True)
class Request:
    """What a user asks for.

    `input` and `output` are files, folders, files at fsspec addresses (see `remote_job`), or collections
    (see `mongo_address`). `errors`: the file of bad rows; none: beside the output. `shard_rows`: rows that
    are kept together; an input of more than that keeps what is done, until all is done, in a folder `.OUTPUT.shards`
    beside the output, or in `state` for a collection.

    Of a collection, `filter` takes documents, and `keep` names fields that go into the output beside `_id` and text.
    `id_field`: the column of a file that becomes the `_id` of a document; none: `_id` if there is one, else `id`.
    """

    input: str
    output: str
    errors: str | None = None
    text_field: str = "text"
    pair_field: str | None = None
    shard_rows: int = ROWS_A_SHARD
    state: Path = Path(".assay/predict")
    filter: Mapping[str, Any] = field(default_factory=dict)
    keep: Sequence[str] = ()
    id_field: str | None = None
    timeout_s: float = 30


def predict_request(engine: Engine, request: Request) -> PredictionCounts:
    """Answer what is asked for. Broken off and called again, it goes on behind the last whole shard.

    Raises:
        AssayError: an address, a column or the model does not fit, the input is empty, or the disk is full.
    """
    if needs_copies(request):
        return predict_by_copies(
            request,
            predict=lambda local: predict_request(engine, local),
            key_of=lambda local: make_job(local, engine).key(engine),
        )
    job = make_job(request, engine)
    if is_folder(request):
        return predict_folder(engine, Path(request.input), Path(request.output), job)
    scan = scan_job(job, engine)
    with rows_bar(Path(job.source.name).name, scan.rows) as bar:
        return run_job(job, engine, scan, bar)


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
        output: in the format of its extension: all input columns and the answer (see `assay.serving.batch.output`). It
            appears whole or not at all.
        errors: JSON lines of row number, id and reason, only made when a row is bad; none: `OUTPUT.errors.jsonl`.
        text_field: column of the text.
        pair_field: column of the second text, for a model of pairs; none: `text_pair`.
        shard_rows: see `Request`.

    Raises:
        AssayError: see `predict_request`.
    """
    bad = None if errors is None else str(errors)
    return predict_request(engine, Request(str(input), str(output), bad, text_field, pair_field, shard_rows))


def is_folder(request: Request) -> bool:
    """Whether files of a folder are to become files of another."""
    return not is_mongo(request.input) and Path(request.input).is_dir()


def make_job(request: Request, engine: Engine) -> PredictionJob:
    """What is to be done; for a folder, what the jobs of its files have in common.

    Raises:
        AssayError: an address is none, or options do not go together.
    """
    _check_options(request)
    source, target = _source(request, engine), _target(request)
    if isinstance(target, FileTarget):
        beside, name = target.path.parent, target.path.name
        work = beside / f".{name}.shards"
    else:
        beside, name = Path(), target.name
        work = request.state / f"{name}-{digest_json([request.input, request.output])[:12]}"
    errors = Path(request.errors) if request.errors else beside / f"{name}.errors.jsonl"
    if isinstance(target, FileTarget) and not is_folder(request):
        _check_paths(request.input, target.path, errors)
    return PredictionJob(source, target, errors, work, request.text_field, request.pair_field, request.shard_rows)


def _source(request: Request, engine: Engine) -> Source:
    if not is_mongo(request.input):
        return FileSource(Path(request.input))
    texts = text_fields(engine, request.text_field, request.pair_field)
    fields = list(dict.fromkeys([*texts, *request.keep]))
    return MongoCollectionSource(mongo_query("--input", request.input, request.filter, fields, request.timeout_s))


def _target(request: Request) -> Target:
    if not is_mongo(request.output):
        return FileTarget(Path(request.output))
    query = mongo_query("--output", request.output, {}, [], request.timeout_s)
    if not is_mongo(request.input):
        id_field = request.id_field or _id_column(Path(request.input))
        return MongoTarget(query, id_field, from_mongo=False)
    source = mongo_query("--input", request.input, {}, [], request.timeout_s)
    return MongoTarget(query, in_place=(hosts(source.uri), source.name) == (hosts(query.uri), query.name))


def _id_column(path: Path) -> str:
    """`_id` where the first row has it, else `id`."""
    check_file(path)
    first = next((row for _, row in iter_rows(path) if isinstance(row, dict)), {})
    return "_id" if "_id" in first else "id"


def _check_options(request: Request) -> None:
    given = {"--filter": request.filter, "--keep": request.keep}
    if not is_mongo(request.input) and (option := next((name for name, value in given.items() if value), None)):
        raise AssayError(f"{option} is for a collection, and --input is {request.input}; leave {option} out")
    if request.id_field and (is_mongo(request.input) or not is_mongo(request.output)):
        raise AssayError(f"--id is {request.id_field!r}; it is for a file that goes into a collection: leave it out")
    if request.errors and (is_remote(request.errors) or is_mongo(request.errors)):
        # Not shown: an address may hold a password.
        raise AssayError("--errors is an address, where a file must be; leave it out: bad rows lie beside the output")
    if not is_folder(request):
        return
    if request.errors:
        raise AssayError(
            f"--errors is {request.errors}, one file; of a folder, bad rows lie beside each output: leave it out"
        )
    if is_mongo(request.output):
        raise AssayError(f"--input is {request.input}, a folder, and --output a collection; give file by file")


def _check_paths(input: str, output: Path, errors: Path) -> None:
    file_kind(output)
    places = {"--output": output, "--errors": errors}
    if not is_mongo(input):
        places = {"--input": Path(input), **places}
    seen: dict[Path, str] = {}
    for option, path in places.items():
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise AssayError(f"{option} is {path}, the same file as {other}; name another one")
