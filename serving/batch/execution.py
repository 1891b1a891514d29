"""Doing a job shard by shard, and going on with one that was broken off.

A small input is one shard, and leaves nothing but its output. A larger one keeps finished shards in a folder until
the last of them is there; then the output is made of them, and the folder goes.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.serving.batch.chunks import InputChunk
from assay.serving.batch.prediction_job import PredictionJob, keep_plan, plan_is_current
from assay.serving.batch.progress import ProgressReporter
from assay.serving.batch.scan import Scan
from assay.serving.batch.shard_prediction import Columns, predict_chunks
from assay.serving.batch.shards import Rejects, ShardFolder, ShardManifest, ShardWriter, locked, runs
from assay.serving.batch.targets import join_bytes
from assay.serving.engine import Engine


class PredictionCounts(BaseModel):
    """How many rows were answered, how many of them only in part, and how many were bad.

    `resumed`: how many rows, bad ones included, an earlier and broken-off run had done already.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    truncated: int
    errors: int
    output: str
    errors_path: Path | str | None
    resumed: int = 0


def run_job(job: PredictionJob, engine: Engine, scan: Scan, progress: ProgressReporter) -> PredictionCounts:
    """Answer what is not answered yet, and make the output.

    Raises:
        AssayError: the input changed, the model does not fit, the disk is full, or another process is at it.
    """
    if len(scan.starts) == 1 and not job.work.exists():
        return predict_whole_job(job, engine, scan, progress)
    with locked(job.work, job.target.name):
        keep_plan(job, engine, scan)
        finished = job.shards().finished()
        done = sum(marker.rows for marker in finished.values())
        progress.resume(done)
        missing = [shard for shard in range(len(scan.starts)) if shard not in finished]
        for shards in runs(missing):
            predict_shards(job, engine, scan, shards, progress)
        return finish(job, engine, scan, done)


def predict_shards(job: PredictionJob, engine: Engine, scan: Scan, shards: range, progress: ProgressReporter) -> None:
    """Answer consecutive shards; each is kept when it is whole."""
    folder = job.shards()
    chunks = job.source.chunks(scan, shards, job.target.layout)
    with _output_errors(job):
        for shard, own in groupby(chunks, key=lambda numbered: numbered[0]):
            with folder.write(shard) as shard_writer:
                _answer(job, engine, scan, shard, (chunk for _, chunk in own), shard_writer, progress)


def finish(job: PredictionJob, engine: Engine, scan: Scan, resumed: int = 0) -> PredictionCounts:
    """Make the errors file and the output of all shards, and remove these.

    Raises:
        AssayError: shards are missing, or the input has changed since the first of them.
    """
    folder = job.shards()
    markers = folder.finished()
    if missing := len(scan.starts) - len(markers):
        raise AssayError(f"{job.source.name} has {missing} shards that are not answered; start it again")
    if not plan_is_current(job, engine):
        raise AssayError(f"{job.source.name} changed while it was read; start again when nothing writes to it")
    with _output_errors(job):
        # The output gets its name last: where it lies, the errors file is whole too.
        _join_errors(job, folder, markers)
        job.target.join([folder.predictions_path(number) for number in markers if folder.suffix], job.work)
    shutil.rmtree(job.work)
    return _counts(job, list(markers.values()), resumed)


def predict_whole_job(job: PredictionJob, engine: Engine, scan: Scan, progress: ProgressReporter) -> PredictionCounts:
    """A small input, straight into its output."""
    with _output_errors(job), job.target.publish() as path, ExitStack() as stack:
        shard_writer = ShardWriter(path, Rejects(job.errors, stack))
        chunks = (chunk for _, chunk in job.source.chunks(scan, range(1), job.target.layout))
        _answer(job, engine, scan, 0, chunks, shard_writer, progress)
    if not shard_writer.rejects.count:
        job.errors.unlink(missing_ok=True)  # of an earlier run into the same output
    return _counts(job, [shard_writer.marker({})], 0)


def _answer(
    job: PredictionJob,
    engine: Engine,
    scan: Scan,
    shard: int,
    chunks: Iterable[InputChunk],
    shard_writer: ShardWriter,
    progress: ProgressReporter,
) -> None:
    columns = Columns(job.fields(engine), job.source.id_field)
    with job.target.open(shard_writer.path, engine, scan.columns, shard) as writer:
        predict_chunks(engine, columns, chunks, shard_writer, writer, progress)


def _join_errors(job: PredictionJob, folder: ShardFolder, markers: dict[int, ShardManifest]) -> None:
    parts = [folder.errors_path(number) for number, marker in markers.items() if marker.errors]
    if not parts:
        job.errors.unlink(missing_ok=True)  # of an earlier run into the same output
        return
    with atomic_path(job.errors) as partial:
        join_bytes(parts, partial)


def _counts(job: PredictionJob, markers: list[ShardManifest], resumed: int) -> PredictionCounts:
    errors = sum(marker.errors for marker in markers)
    return PredictionCounts(
        rows=sum(marker.answered for marker in markers),
        truncated=sum(marker.truncated for marker in markers),
        errors=errors,
        output=job.target.name,
        errors_path=job.errors if errors else None,
        resumed=resumed,
    )


@contextmanager
def _output_errors(job: PredictionJob) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        remedy = "free space or name another --output"
        if job.work.exists():
            remedy = "free space, and the same command goes on where it was"
        raise AssayError(f"{job.target.name} cannot be written: {reason}; {remedy}") from error
