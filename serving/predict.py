"""Batch prediction of a file, a folder or a collection.

Invalid rows go to an errors file with the reason, and all other rows are predicted.
"""

from pathlib import Path

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows
from assay.corpus.sources.mongo_connection import hosts
from assay.corpus.storage.digest import digest_json
from assay.corpus.storage.remote_files import is_remote
from assay.serving.batch.abstained_rows import abstained_target
from assay.serving.batch.execution import PredictionCounts, run_job
from assay.serving.batch.folder import predict_folder
from assay.serving.batch.mongo_address import is_mongo, mongo_query
from assay.serving.batch.mongo_source import MongoCollectionSource
from assay.serving.batch.mongo_target import MongoTarget
from assay.serving.batch.output import output_suffix
from assay.serving.batch.prediction_job import ROWS_PER_SHARD, PredictionJob, scan_job, text_fields
from assay.serving.batch.progress import rows_bar
from assay.serving.batch.remote_job import is_remote_request, predict_remote
from assay.serving.batch.request import PredictionRequest, check_output, is_folder
from assay.serving.batch.row_sources import FileSource, Source
from assay.serving.batch.streams import is_stream_request, predict_stream
from assay.serving.batch.targets import FileTarget, Target
from assay.serving.engine import Engine

__all__ = ["PredictionCounts", "PredictionRequest", "is_folder", "make_job", "predict_file", "predict_request"]


def predict_request(engine: Engine, request: PredictionRequest) -> PredictionCounts:
    """Predict the rows of a request. A second call with the same request resumes after the last finished shard.

    Raises:
        AssayError: an address, a column or the model does not fit, the input is empty, or the disk is full.
    """
    check_output(request)
    if is_stream_request(request):
        return predict_stream(request, predict=lambda local: predict_request(engine, local))
    if is_remote_request(request):
        return predict_remote(
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
    shard_rows: int = ROWS_PER_SHARD,
) -> PredictionCounts:
    """Predict the rows of a file in their order. Memory use does not grow with the file.

    Args:
        engine: the model.
        input: a file of any kind that is read, see `assay.corpus.sources.files`.
        output: in the format of its extension: all input columns and the prediction (see
            `assay.serving.batch.output`). The file appears when it is complete.
        errors: JSON lines with number, id and reason per invalid row, written only if there are invalid rows; None
            writes `OUTPUT.errors.jsonl`.
        text_field: column of the text.
        pair_field: column of the second text, for a model of pairs; None reads `text_pair`.
        shard_rows: rows per shard, see `assay.serving.batch.request.PredictionRequest`.

    Raises:
        AssayError: see `predict_request`.
    """
    errors_path = None if errors is None else str(errors)
    return predict_request(
        engine, PredictionRequest(str(input), str(output), errors_path, text_field, pair_field, shard_rows)
    )


def make_job(request: PredictionRequest, engine: Engine) -> PredictionJob:
    """Return the job of a request; for a folder, the template of the jobs of its files.

    Raises:
        AssayError: an address is malformed, or options exclude each other.
    """
    _check_options(request)
    source, target = _source(request, engine), _target(request)
    if isinstance(target, FileTarget):
        parent, name = target.path.parent, target.path.name
        work = parent / f".{name}.shards"
    else:
        parent, name = Path(), target.name
        work = request.state / f"{name}-{digest_json([request.input, request.output])[:12]}"
    errors = Path(request.errors) if request.errors else parent / f"{name}.errors.jsonl"
    if isinstance(target, FileTarget) and not is_folder(request):
        _check_paths(request, target.path, errors)
    return PredictionJob(
        source=source,
        target=target,
        errors=errors,
        work=work,
        text_field=request.text_field,
        pair_field=request.pair_field,
        shard_rows=request.shard_rows,
        abstained=abstained_target(request.abstained, target, engine, request.options),
    )


def _source(request: PredictionRequest, engine: Engine) -> Source:
    if not is_mongo(request.input):
        return FileSource(Path(request.input), request.file)
    texts = text_fields(engine, request.text_field, request.pair_field)
    fields = list(dict.fromkeys([*texts, *request.keep]))
    return MongoCollectionSource(mongo_query("--input", request.input, request.filter, fields, request.timeout_s))


def _target(request: PredictionRequest) -> Target:
    if not is_mongo(request.output):
        return FileTarget(Path(request.output), request.options)
    query = mongo_query("--output", request.output, {}, [], request.timeout_s)
    if not is_mongo(request.input):
        id_field = request.id_field or _id_column(Path(request.input), request.file)
        return MongoTarget(query, id_field, from_mongo=False, options=request.options)
    source = mongo_query("--input", request.input, {}, [], request.timeout_s)
    in_place = (hosts(source.uri), source.name) == (hosts(query.uri), query.name)
    return MongoTarget(query, in_place=in_place, options=request.options)


def _id_column(path: Path, settings: FileSettings) -> str:
    """Return `_id` if the first row has that column, else `id`."""
    first = next((row for _, row in iter_rows(path, settings) if isinstance(row, dict)), {})
    return "_id" if "_id" in first else "id"


def _check_options(request: PredictionRequest) -> None:
    collection_options = {"--filter": request.filter, "--keep": request.keep}
    given = next((option for option, value in collection_options.items() if value), None)
    if given and not is_mongo(request.input):
        raise AssayError(f"{given} applies to a collection, but --input is {request.input}; leave {given} out")
    if request.id_field and (is_mongo(request.input) or not is_mongo(request.output)):
        raise AssayError(
            f"--id is {request.id_field!r}, but applies only to a file that goes into a collection; leave it out"
        )
    if request.errors and (is_remote(request.errors) or is_mongo(request.errors)):
        # The message leaves the address out, since it may hold a password.
        raise AssayError(
            "--errors is an address, but must be a file; leave it out to write the invalid rows beside the output"
        )
    if request.abstained and (is_remote(request.abstained) or is_mongo(request.abstained) or is_folder(request)):
        raise AssayError(
            "--abstained must be a file, and goes with one input; name a file, or predict each file by itself"
        )
    if not is_folder(request):
        return
    if request.errors:
        raise AssayError(
            f"--errors is {request.errors}, one file, but --input is a folder; leave it out to write the invalid rows "
            "beside each output"
        )
    if is_mongo(request.output):
        raise AssayError(
            f"--input is {request.input}, a folder, but --output is a collection; predict each file by itself"
        )


def _check_paths(request: PredictionRequest, output: Path, errors: Path) -> None:
    output_suffix(output)
    paths = {"--output": output, "--errors": errors}
    if request.abstained:
        paths["--abstained"] = Path(request.abstained)
    if not is_mongo(request.input):
        paths = {"--input": Path(request.input), **paths}
    seen: dict[Path, str] = {}
    for option, path in paths.items():
        first_option = seen.setdefault(path.resolve(), option)
        if first_option != option:
            raise AssayError(f"{option} is {path}, the same file as {first_option}; name another one")
