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
from assay.serving.batch.chunks import Portion
from assay.serving.batch.prediction_job import Job, keep_plan, plan_is_current
from assay.serving.batch.progress import Watcher
from assay.serving.batch.scan import Survey
from assay.serving.batch.shard_prediction import Columns, answer_portions
from assay.serving.batch.shards import Rejects, ShardDraft, ShardFolder, ShardMarker, locked, runs
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


def run_job(job: Job, engine: Engine, survey: Survey, watcher: Watcher) -> PredictionCounts:
    """Answer what is not answered yet, and make the output.

    Raises:
        AssayError: the input changed, the model does not fit, the disk is full, or another process is at it.
    """
    if len(survey.starts) == 1 and not job.work.exists():
        return _answer_whole(job, engine, survey, watcher)
    with locked(job.work, job.target.name):
        keep_plan(job, engine, survey)
        finished = job.shards().finished()
        done = sum(marker.rows for marker in finished.values())
        watcher.resume(done)
        missing = [shard for shard in range(len(survey.starts)) if shard not in finished]
        for shards in runs(missing):
            answer_shards(job, engine, survey, shards, watcher)
        return finish(job, engine, survey, done)


def answer_shards(job: Job, engine: Engine, survey: Survey, shards: range, watcher: Watcher) -> None:
    """Answer consecutive shards; each is kept when it is whole."""
    folder = job.shards()
    portions = job.source.portions(survey, shards, job.target.form)
    with _output_errors(job):
        for shard, own in groupby(portions, key=lambda numbered: numbered[0]):
            with folder.write(shard) as draft:
                _answer(job, engine, survey, shard, (portion for _, portion in own), draft, watcher)


def finish(job: Job, engine: Engine, survey: Survey, resumed: int = 0) -> PredictionCounts:
    """Make the errors file and the output of all shards, and remove these.

    Raises:
        AssayError: shards are missing, or the input has changed since the first of them.
    """
    folder = job.shards()
    markers = folder.finished()
    if missing := len(survey.starts) - len(markers):
        raise AssayError(f"{job.source.name} has {missing} shards that are not answered; start it again")
    if not plan_is_current(job, engine):
        raise AssayError(f"{job.source.name} changed while it was read; start again when nothing writes to it")
    with _output_errors(job):
        # The output gets its name last: where it lies, the errors file is whole too.
        _join_errors(job, folder, markers)
        job.target.join([folder.answers_path(number) for number in markers if folder.suffix], job.work)
    shutil.rmtree(job.work)
    return _counts(job, list(markers.values()), resumed)


def _answer_whole(job: Job, engine: Engine, survey: Survey, watcher: Watcher) -> PredictionCounts:
    """A small input, straight into its output."""
    with _output_errors(job), job.target.publish() as path, ExitStack() as stack:
        draft = ShardDraft(path, Rejects(job.errors, stack))
        portions = (portion for _, portion in job.source.portions(survey, range(1), job.target.form))
        _answer(job, engine, survey, 0, portions, draft, watcher)
    if not draft.rejects.count:
        job.errors.unlink(missing_ok=True)  # of an earlier run into the same output
    return _counts(job, [draft.marker({})], 0)


def _answer(
    job: Job,
    engine: Engine,
    survey: Survey,
    shard: int,
    portions: Iterable[Portion],
    draft: ShardDraft,
    watcher: Watcher,
) -> None:
    columns = Columns(job.fields(engine), job.source.id_field)
    with job.target.open(draft.path, engine, survey.columns, shard) as writer:
        answer_portions(engine, columns, portions, draft, writer, watcher)


def _join_errors(job: Job, folder: ShardFolder, markers: dict[int, ShardMarker]) -> None:
    parts = [folder.errors_path(number) for number, marker in markers.items() if marker.errors]
    if not parts:
        job.errors.unlink(missing_ok=True)  # of an earlier run into the same output
        return
    with atomic_path(job.errors) as partial:
        join_bytes(parts, partial)


def _counts(job: Job, markers: list[ShardMarker], resumed: int) -> PredictionCounts:
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
def _output_errors(job: Job) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        remedy = "free space or name another --output"
        if job.work.exists():
            remedy = "free space, and the same command goes on where it was"
        raise AssayError(f"{job.target.name} cannot be written: {reason}; {remedy}") from error
