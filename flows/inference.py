"""The prediction flow: predict a whole source with a registered model, in parts that run as mapped tasks."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel, Field

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.flows.runners import runner_from_environment, task_resources_from_environment
from assay.recipes.bounds import MOST_ROWS
from assay.runs.prefect_artifacts import ProgressArtifact
from assay.serving.address import open_bundle, pin_address
from assay.serving.batch.execution import PredictionCounts, finish_job, predict_shards
from assay.serving.batch.mongo_address import read_filter
from assay.serving.batch.prediction_job import ROWS_PER_SHARD, plan_is_current, save_plan, scan_job
from assay.serving.batch.progress import NoProgress
from assay.serving.batch.remote_job import is_remote_request
from assay.serving.batch.row_sources import UNCHANGED
from assay.serving.batch.shards import consecutive_ranges, lock_folder
from assay.serving.engine import Engine
from assay.serving.http.server_settings import MAX_THREADS
from assay.serving.predict import PredictionRequest, is_folder, make_job, predict_request

PARTS = 20


class ShardRange(BaseModel):
    """Consecutive shards; `stop` is the first one after them."""

    start: int
    stop: int


class PredictionPlan(BaseModel):
    """The parts that remain, the number of all shards, and the number of rows predicted before."""

    parts: list[ShardRange]
    shards: int
    resumed_rows: int


# The engine uses all cores, so one part runs at a time. For several machines, give the flow a runner such as Ray's and
# an output on a shared file system.
ONE_AT_A_TIME: Any = ThreadPoolTaskRunner(max_workers=1)


@flow(
    name="predict",
    flow_run_name="predict-{input}",
    persist_result=False,
    result_serializer="json",
    task_runner=runner_from_environment(ONE_AT_A_TIME),
)
def predict(
    model: str,
    input: str,
    output: str,
    errors: str | None = None,
    text_field: str = "text",
    pair_field: str | None = None,
    keep: Sequence[str] = (),
    filter: Mapping[str, Any] | None = None,
    store: Path = Path(".assay"),
    shard_rows: Annotated[int, Field(ge=1, le=MOST_ROWS)] = ROWS_PER_SHARD,
    parts: Annotated[int, Field(ge=1, le=10_000)] = PARTS,
    threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] | None = None,
    file: FileSettings = UNCHANGED,
    abstained: str | None = None,
) -> PredictionCounts:
    """Predict every row of a source; invalid rows are written to the errors file with the reason.

    After a failure or a kill, a run with the same parameters resumes after the completed shards.

    Args:
        model: `models:/NAME@champion`, `models:/NAME/VERSION`, or a bundle folder. An alias is resolved once: all tasks
            use the version that it names when the run starts.
        input: a file of any kind that a recipe reads; a folder of files or an address such as
            `s3://bucket/new.parquet` (predicted by a single task); or `mongo:env:VARIABLE/DATABASE/COLLECTION`.
        output: a file in the format of its extension, written atomically; a folder; or a collection.
        errors: file for the invalid rows. None: next to the output.
        text_field: field that holds the text.
        pair_field: field that holds the second text of a pair.
        keep: fields of a collection to copy into the output.
        filter: filter for the documents of a collection, in extended JSON.
        store: folder that holds the completed shards of a collection until all are done.
        shard_rows: rows per shard.
        parts: approximate number of tasks.
        threads: threads of the engine per process. None: all cores. Use 1 with a runner that runs several parts at the
            same time.
        file: how input files are read, for example their separator and encoding.
        abstained: second file for the rows that the decision of the model leaves to people. None: not written.
    """
    request = PredictionRequest(
        input=input,
        output=output,
        errors=errors,
        text_field=text_field,
        pair_field=pair_field,
        shard_rows=shard_rows,
        state=store / "predict",
        filter=read_filter(filter or {}, "filter"),
        keep=keep,
        file=file,
        abstained=abstained,
    )
    model = pin_address(model)
    if is_remote_request(request) or is_folder(request):
        return predict_whole(model, request, threads)
    job = make_job(request, engine_of(model, threads))
    with lock_folder(job.work, job.target.name):
        plan = prepare(model, request, parts, threads)
        with task_resources_from_environment():
            futures = predict_part.map(unmapped(model), unmapped(request), plan.parts, unmapped(threads))
        _follow(plan, futures, f"rows of {job.source.name}")
        return join(model, request, plan.resumed_rows, threads)


@task(name="predict-prepare", cache_policy=NO_CACHE)
def prepare(model: str, request: PredictionRequest, parts: int, threads: int | None = None) -> PredictionPlan:
    """Scan the source and divide the remaining shards into parts."""
    engine = engine_of(model, threads)
    job = make_job(request, engine)
    scan = scan_job(job, engine)
    save_plan(job, engine, scan)
    finished = job.shards().finished()
    shards = range(len(scan.starts))
    missing = [shard for shard in shards if shard not in finished]
    size = -(-len(missing) // parts) or 1
    ranges = [
        ShardRange(start=start, stop=min(start + size, run.stop))
        for run in consecutive_ranges(missing)
        for start in range(run.start, run.stop, size)
    ]
    resumed_rows = sum(manifest.rows for manifest in finished.values())
    return PredictionPlan(parts=ranges, shards=len(shards), resumed_rows=resumed_rows)


@task(name="predict-part", task_run_name="predict-shards-{part.start}-to-{part.stop}", cache_policy=NO_CACHE, retries=2)
def predict_part(model: str, request: PredictionRequest, part: ShardRange, threads: int | None = None) -> ShardRange:
    """Predict the shards of a part that are not complete yet.

    Raises:
        AssayError: the plan belongs to another input or model, so that the output would mix the two.
    """
    engine = engine_of(model, threads)
    job = make_job(request, engine)
    if not plan_is_current(job, engine):
        raise AssayError(
            f"the plan in {job.work} does not match {job.source.name} and {model} as this worker reads them; check "
            "that all workers see the same files, and start again when nothing writes to them"
        )
    scan = scan_job(job, engine)
    shards = range(part.start, part.stop)
    finished = job.shards().finished(shards)
    for missing in consecutive_ranges(shard for shard in shards if shard not in finished):
        predict_shards(job, engine, scan, missing, NoProgress())
    return part


@task(name="predict-join", cache_policy=NO_CACHE)
def join(model: str, request: PredictionRequest, resumed_rows: int, threads: int | None = None) -> PredictionCounts:
    """Join all shards into the output."""
    engine = engine_of(model, threads)
    job = make_job(request, engine)
    return finish_job(job, engine, scan_job(job, engine), resumed_rows)


@task(name="predict", cache_policy=NO_CACHE)
def predict_whole(model: str, request: PredictionRequest, threads: int | None = None) -> PredictionCounts:
    """Predict a folder file by file, or a remote file through a local copy, in a single task."""
    return predict_request(engine_of(model, threads), request)


@lru_cache(maxsize=1)
def engine_of(model: str, threads: int | None = None) -> Engine:
    """Return the engine, loaded once per process. The model must not be an alias, since a cached one cannot move."""
    return Engine(open_bundle(model), threads=threads)


def _follow(plan: PredictionPlan, futures: Sequence[PrefectFuture[ShardRange]], description: str) -> None:
    """Show the progress as an artifact, part by part.

    Raises:
        Exception: the first exception of a part, after all parts have ended.
    """
    page = ProgressArtifact("predict", description, _share(0, plan))
    done = 0
    for future in as_completed(list(futures)):
        future.wait()
        if future.state.is_completed():
            part = future.result()
            done += part.stop - part.start
            page.show(_share(done, plan))
    for future in futures:
        future.result()


def _share(done: int, plan: PredictionPlan) -> float:
    """Return the share of completed shards, including those of earlier runs."""
    remaining = sum(part.stop - part.start for part in plan.parts)
    return (plan.shards - remaining + done) / plan.shards
