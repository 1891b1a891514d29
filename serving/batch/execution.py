"""Execution of a prediction job shard by shard, and resumption of an interrupted one.

A small input is one shard and leaves only its output. A larger input keeps its finished shards in a folder until the
last one is complete. The output is then joined from them, and the folder is removed.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.serving.batch.abstained_rows import splitting
from assay.serving.batch.chunks import InputChunk
from assay.serving.batch.prediction_job import PredictionJob, plan_is_current, save_plan
from assay.serving.batch.progress import ProgressReporter
from assay.serving.batch.scan import Scan
from assay.serving.batch.shard_prediction import Columns, predict_chunks
from assay.serving.batch.shards import Rejects, ShardFolder, ShardManifest, ShardWriter, consecutive_ranges, lock_folder
from assay.serving.batch.targets import join_bytes
from assay.serving.engine import Engine


class PredictionCounts(BaseModel):
    """The row counts of a prediction.

    `rows` were predicted, `truncated` of them only from their beginning, and `errors` were invalid. `abstained` rows
    were left to people and written to `abstained_path`, too; None: they were not asked for. `resumed` rows, invalid
    ones included, had been processed by an earlier, interrupted run.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    truncated: int
    errors: int
    output: str
    errors_path: Path | str | None
    resumed: int = 0
    abstained: int | None = None
    abstained_path: Path | str | None = None


def run_job(job: PredictionJob, engine: Engine, scan: Scan, progress: ProgressReporter) -> PredictionCounts:
    """Predict the missing shards of a job, and write the output.

    Raises:
        AssayError: the input changed, the model does not fit, the disk is full, or another process runs the same job.
    """
    if len(scan.starts) == 1 and not job.work.exists():
        return predict_whole_job(job, engine, scan, progress)
    with lock_folder(job.work, job.target.name):
        save_plan(job, engine, scan)
        finished = job.shards().finished()
        resumed_rows = sum(manifest.rows for manifest in finished.values())
        progress.resume(resumed_rows)
        missing = [shard for shard in range(len(scan.starts)) if shard not in finished]
        for shards in consecutive_ranges(missing):
            predict_shards(job, engine, scan, shards, progress)
        return finish_job(job, engine, scan, resumed_rows)


def predict_shards(job: PredictionJob, engine: Engine, scan: Scan, shards: range, progress: ProgressReporter) -> None:
    """Predict consecutive shards, and store each one when it is complete."""
    folder = job.shards()
    chunks = job.source.chunks(scan, shards, job.target.layout)
    with _output_errors(job):
        for shard, numbered_chunks in groupby(chunks, key=lambda numbered: numbered[0]):
            with folder.write(shard) as shard_writer:
                shard_chunks = (chunk for _, chunk in numbered_chunks)
                _predict_shard(job, engine, scan, shard, shard_chunks, shard_writer, progress)


def finish_job(job: PredictionJob, engine: Engine, scan: Scan, resumed: int = 0) -> PredictionCounts:
    """Join the errors file and the output from all shards, and remove the shards.

    Raises:
        AssayError: shards are missing, or the input changed after the first shard was read.
    """
    folder = job.shards()
    manifests = folder.finished()
    if missing := len(scan.starts) - len(manifests):
        raise AssayError(f"{job.source.name} has {missing} unfinished shards; run the same command to resume")
    if not plan_is_current(job, engine):
        raise AssayError(f"{job.source.name} changed while it was read; start again when nothing writes to it")
    with _output_errors(job):
        # The output is renamed last, so that a complete output always has a complete errors file.
        _join_errors(job, folder, manifests)
        if job.abstained is not None:
            paths = map(folder.abstained_path, manifests)
            job.abstained.join([path for path in paths if path is not None], job.work)
        job.target.join([folder.predictions_path(number) for number in manifests if folder.suffix], job.work)
    shutil.rmtree(job.work)
    return _counts(job, list(manifests.values()), resumed)


def predict_whole_job(job: PredictionJob, engine: Engine, scan: Scan, progress: ProgressReporter) -> PredictionCounts:
    """Predict a small input straight into its output."""
    with _output_errors(job), job.target.publish() as path, ExitStack() as stack:
        abstained_path = stack.enter_context(job.abstained.publish()) if job.abstained else None
        shard_writer = ShardWriter(path, Rejects(job.errors, stack), abstained_path)
        chunks = (chunk for _, chunk in job.source.chunks(scan, range(1), job.target.layout))
        _predict_shard(job, engine, scan, 0, chunks, shard_writer, progress)
    if not shard_writer.rejects.count:
        job.errors.unlink(missing_ok=True)  # from an earlier run into the same output
    return _counts(job, [shard_writer.manifest({})], 0)


def _predict_shard(
    job: PredictionJob,
    engine: Engine,
    scan: Scan,
    shard: int,
    chunks: Iterable[InputChunk],
    shard_writer: ShardWriter,
    progress: ProgressReporter,
) -> None:
    columns = Columns(job.fields(engine), job.source.id_field)
    people = job.abstained, shard_writer.abstained_path
    with (
        job.target.open(shard_writer.path, engine, scan.columns, shard) as writer,
        splitting(writer, *people, engine, scan.columns, shard_writer, shard) as splitting_writer,
    ):
        predict_chunks(engine, columns, chunks, shard_writer, splitting_writer, progress)


def _join_errors(job: PredictionJob, folder: ShardFolder, manifests: dict[int, ShardManifest]) -> None:
    parts = [folder.errors_path(number) for number, manifest in manifests.items() if manifest.errors]
    if not parts:
        job.errors.unlink(missing_ok=True)  # from an earlier run into the same output
        return
    with atomic_path(job.errors) as partial:
        join_bytes(parts, partial)


def _counts(job: PredictionJob, manifests: list[ShardManifest], resumed: int) -> PredictionCounts:
    errors = sum(manifest.errors for manifest in manifests)
    return PredictionCounts(
        rows=sum(manifest.predicted for manifest in manifests),
        truncated=sum(manifest.truncated for manifest in manifests),
        errors=errors,
        output=job.target.name,
        errors_path=job.errors if errors else None,
        resumed=resumed,
        abstained=sum(manifest.abstained for manifest in manifests) if job.abstained else None,
        abstained_path=job.abstained.path if job.abstained else None,
    )


@contextmanager
def _output_errors(job: PredictionJob) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        remedy = "free space or name another --output"
        if job.work.exists():
            remedy = "free space and run the same command to resume"
        raise AssayError(f"{job.target.name} cannot be written: {reason}; {remedy}") from error
