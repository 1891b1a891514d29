"""Predict a whole source with a registered model, in parts that run as mapped tasks."""

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
from assay.flows.runners import chosen_requests, chosen_runner
from assay.recipes.bounds import MOST_ROWS
from assay.runs.prefect_artifacts import ProgressPage
from assay.serving.address import open_bundle, pinned
from assay.serving.batch.execution import PredictionCounts, finish, predict_shards
from assay.serving.batch.mongo_address import read_filter
from assay.serving.batch.prediction_job import ROWS_A_SHARD, keep_plan, plan_is_current, scan_job
from assay.serving.batch.progress import NoProgress
from assay.serving.batch.remote_job import needs_copies
from assay.serving.batch.shards import locked, runs
from assay.serving.engine import Engine
from assay.serving.http.server_settings import MOST_THREADS
from assay.serving.predict import Request, is_folder, make_job, predict_request

PARTS = 20


class ShardRange(BaseModel):
    """Consecutive shards; `stop` is the first behind them."""

    start: int
    stop: int


class Prepared(BaseModel):
    """What is still to be done: the parts, and how many shards there are and were done before."""

    parts: list[ShardRange]
    shards: int
    resumed_rows: int


# The engine uses all cores, so one part at a time: for several machines, give the flow a runner such as Ray's, and an
# output on a file system that they share.
ONE_AT_A_TIME: Any = ThreadPoolTaskRunner(max_workers=1)


@flow(
    name="predict",
    flow_run_name="predict-{input}",
    persist_result=False,
    result_serializer="json",
    task_runner=chosen_runner(ONE_AT_A_TIME),
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
    shard_rows: Annotated[int, Field(ge=1, le=MOST_ROWS)] = ROWS_A_SHARD,
    parts: Annotated[int, Field(ge=1, le=10_000)] = PARTS,
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] | None = None,
) -> PredictionCounts:
    """Answer every row of a source; bad rows go to the errors file with their reason.

    A run that failed or was killed is started again with the same parameters, and goes on behind its whole shards.

    Args:
        model: `models:/NAME@champion`, `models:/NAME/VERSION`, or a bundle folder. An alias is looked up once: all
            tasks read the version that it names when the run starts.
        input: JSONL, CSV or Parquet file, possibly gzipped, a folder of them or an address such as
            `s3://bucket/new.parquet` (one task answers them), or `mongo:env:VARIABLE/DATABASE/COLLECTION`.
        output: a file, in the format of its extension, which appears whole or not at all; a folder; or a collection.
        errors: the file that bad rows go to; none: beside the output.
        text_field: field that holds the text.
        pair_field: field that holds the second text of a pair.
        keep: fields of a collection to put into the output.
        filter: which documents of a collection, in extended JSON.
        store: keeps what is done of a collection until all is done.
        shard_rows: rows of a shard.
        parts: about how many tasks.
        threads: of the engine in each process; none: all cores. Where a runner does parts at the same time, one each.
    """
    request = Request(
        input=input,
        output=output,
        errors=errors,
        text_field=text_field,
        pair_field=pair_field,
        shard_rows=shard_rows,
        state=store / "predict",
        filter=read_filter(filter or {}, "filter"),
        keep=keep,
    )
    model = pinned(model)
    if needs_copies(request) or is_folder(request):
        return predict_whole(model, request, threads)
    job = make_job(request, engine_of(model, threads))
    with locked(job.work, job.target.name):
        ready = prepare(model, request, parts, threads)
        with chosen_requests():
            answered = predict_part.map(unmapped(model), unmapped(request), ready.parts, unmapped(threads))
        _follow(ready, answered, f"rows of {job.source.name}")
        return join(model, request, ready.resumed_rows, threads)


@task(name="predict-prepare", cache_policy=NO_CACHE)
def prepare(model: str, request: Request, parts: int, threads: int | None = None) -> Prepared:
    """Look through the source, and say what is still to be done."""
    engine = engine_of(model, threads)
    job = make_job(request, engine)
    scan = scan_job(job, engine)
    keep_plan(job, engine, scan)
    finished = job.shards().finished()
    shards = range(len(scan.starts))
    missing = [shard for shard in shards if shard not in finished]
    size = -(-len(missing) // parts) or 1
    found = [
        ShardRange(start=start, stop=min(start + size, run.stop))
        for run in runs(missing)
        for start in range(run.start, run.stop, size)
    ]
    done = sum(marker.rows for marker in finished.values())
    return Prepared(parts=found, shards=len(shards), resumed_rows=done)


@task(name="predict-part", task_run_name="predict-shards-{part.start}-to-{part.stop}", cache_policy=NO_CACHE, retries=2)
def predict_part(model: str, request: Request, part: ShardRange, threads: int | None = None) -> ShardRange:
    """Answer the shards of a part that are not whole yet.

    Raises:
        AssayError: the plan is not of this input and this model; its shards would mix two of them.
    """
    engine = engine_of(model, threads)
    job = make_job(request, engine)
    if not plan_is_current(job, engine):
        raise AssayError(
            f"the plan in {job.work} is not of {job.source.name} and {model} as this worker reads them; check that all "
            "workers see the same files, and start again when nothing writes to them"
        )
    scan = scan_job(job, engine)
    shards = range(part.start, part.stop)
    finished = job.shards().finished(shards)
    for missing in runs(shard for shard in shards if shard not in finished):
        predict_shards(job, engine, scan, missing, NoProgress())
    return part


@task(name="predict-join", cache_policy=NO_CACHE)
def join(model: str, request: Request, resumed_rows: int, threads: int | None = None) -> PredictionCounts:
    """Make the output of all shards."""
    engine = engine_of(model, threads)
    job = make_job(request, engine)
    return finish(job, engine, scan_job(job, engine), resumed_rows)


@task(name="predict", cache_policy=NO_CACHE)
def predict_whole(model: str, request: Request, threads: int | None = None) -> PredictionCounts:
    """A folder, file by file, or what lies at an address, by way of copies: in one task."""
    return predict_request(engine_of(model, threads), request)


@lru_cache(maxsize=1)
def engine_of(model: str, threads: int | None = None) -> Engine:
    """The engine, loaded once in a process. The model is no alias: one that moves would not be followed."""
    return Engine(open_bundle(model), threads=threads)


def _follow(ready: Prepared, answered: Sequence[PrefectFuture[ShardRange]], what: str) -> None:
    """Show how far it is, part by part, as an artifact.

    Raises:
        Exception: the first that a part ended with, when all have ended.
    """
    page = ProgressPage("predict", what, _share(0, ready))
    done = 0
    for future in as_completed(list(answered)):
        future.wait()
        if future.state.is_completed():
            part = future.result()
            done += part.stop - part.start
            page.show(_share(done, ready))
    for future in answered:
        future.result()


def _share(done: int, ready: Prepared) -> float:
    """Of all shards, those done before included."""
    todo = sum(part.stop - part.start for part in ready.parts)
    return (ready.shards - todo + done) / ready.shards
