"""One prediction from a source to a target, shard by shard, and going on with one that was broken off.

A small input is one shard, and leaves nothing but its output. A larger one keeps finished shards in a folder until
the last of them is there; then the output is made of them, and the folder goes. What was kept counts only while input,
model and options are the same.
"""

import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from corpus.atomic import atomic_path
from corpus.digest import digest_json
from corpus.errors import AssayError
from serving.checking import GoodRows, check_rows
from serving.engine import Engine, Prediction, Row
from serving.output import Writer
from serving.portions import Portion
from serving.progress import Watcher
from serving.shards import Rejects, ShardDraft, ShardFolder, ShardMarker, clear, locked
from serving.sources import Source
from serving.survey import Survey, SurveyRecord
from serving.targets import Target, join_bytes

ROWS_A_SHARD = 8_192
PLAN = "plan.json"


class PredictionCounts(BaseModel):
    """How many rows were answered, how many of them only in part, and how many were bad.

    `resumed`: how many rows, bad ones included, an earlier and broken-off run had done already.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    truncated: int
    errors: int
    output: str
    errors_path: Path | None
    resumed: int = 0


class _Plan(BaseModel):
    """What the shards in a folder were made from (`key`), and where each begins."""

    key: str
    survey: SurveyRecord


@dataclass(frozen=True)
class Job:
    """What is to be predicted, how, and where to.

    `errors` is the file of bad rows, `work` the folder of finished shards, on the file system of the output.
    """

    source: Source
    target: Target
    errors: Path
    work: Path
    text_field: str = "text"
    pair_field: str | None = None
    shard_rows: int = ROWS_A_SHARD

    def fields(self, engine: Engine) -> list[str]:
        """The columns that the model reads: of the text, and of the second text for a model of pairs."""
        return [self.text_field, self.pair_field or "text_pair"] if engine.manifest.pair else [self.text_field]

    def key(self, engine: Engine) -> str:
        """Digest of all that the shards depend on."""
        parts = {
            "source": self.source.identity(),
            "target": self.target.identity(),
            "model": engine.digest,
            "fields": self.fields(engine),
            "shard_rows": self.shard_rows,
            "version": version("assay"),
        }
        return digest_json(parts)

    def shards(self) -> ShardFolder:
        """What is finished so far."""
        return ShardFolder(self.work, self.target.suffix)


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
        for shards in _runs(missing):
            answer_shards(job, engine, survey, shards, watcher)
        return finish(job, engine, survey, done)


def survey_job(job: Job, engine: Engine, *, may_be_empty: bool = False) -> Survey:
    """Look through the input, unless that was done before, and check that the model can read it.

    Raises:
        AssayError: there are no rows where some must be, or a column or the model does not fit.
    """
    kept = _read_plan(job)
    if kept and kept.key == job.key(engine):
        return kept.survey.survey()
    _check_pair(job, engine)
    survey = job.source.survey(job.shard_rows, job.target.form)
    if not survey.rows and not may_be_empty:
        raise AssayError(f"{job.source.name} holds no rows; nothing to predict")
    _check_columns(job, engine, survey)
    return survey


def keep_plan(job: Job, engine: Engine, survey: Survey) -> None:
    """Begin a folder of shards, or go on with it if it is of the same input, model and options."""
    kept, key = _read_plan(job), job.key(engine)
    if kept and kept.key == key:
        return
    clear(job.work)
    with atomic_path(job.work / PLAN) as partial:
        partial.write_text(_Plan(key=key, survey=SurveyRecord.of(survey)).model_dump_json(), encoding="utf-8")


def answer_shards(job: Job, engine: Engine, survey: Survey, shards: range, watcher: Watcher) -> None:
    """Answer consecutive shards; each is kept when it is whole."""
    folder = job.shards()
    portions = job.source.portions(survey, shards, job.target.form)
    with _output_errors(job):
        for shard, own in groupby(portions, key=lambda numbered: numbered[0]):
            with folder.write(shard) as draft, _open(job, engine, survey, draft, shard) as writer:
                _answer(job, engine, (portion for _, portion in own), draft, writer, watcher)


def finish(job: Job, engine: Engine, survey: Survey, resumed: int = 0) -> PredictionCounts:
    """Make the errors file and the output of all shards, and remove these.

    Raises:
        AssayError: shards are missing, or the input has changed since the first of them.
    """
    folder = job.shards()
    markers = folder.finished()
    if missing := len(survey.starts) - len(markers):
        raise AssayError(f"{job.source.name} has {missing} shards that are not answered; start it again")
    kept = _read_plan(job)
    if kept is None or kept.key != job.key(engine):
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
        with _open(job, engine, survey, draft, 0) as writer:
            _answer(job, engine, portions, draft, writer, watcher)
    if not draft.rejects.count:
        job.errors.unlink(missing_ok=True)  # of an earlier run into the same output
    return _counts(job, [draft.marker({})], 0)


def _answer(
    job: Job, engine: Engine, portions: Iterable[Portion], draft: ShardDraft, writer: Writer, watcher: Watcher
) -> None:
    """Send rows through the engine to the writer, in their order."""
    waiting: deque[GoodRows] = deque()

    def texts() -> Iterator[Row]:
        for portion in portions:
            checked = check_rows(portion, job.fields(engine), job.source.id_field, draft.rejects)
            waiting.append(checked)
            yield from checked.rows

    def write(answers: list[Prediction]) -> None:
        checked = waiting.popleft()
        if checked.rows:
            refused = writer.write(checked.portion, checked.indices, checked.texts, answers)
            ids = checked.portion.column(job.source.id_field) if refused else []
            for index, reason in refused.items():
                draft.rejects.add(checked.portion.number(index), ids[index], reason)
            draft.answered += len(answers) - len(refused)
            draft.truncated += sum(answer.truncated for answer in answers)
        draft.rows += len(checked.portion)
        watcher.advance(len(checked.portion))

    answers: list[Prediction] = []
    for answer in engine.predict_stream(texts()):
        while not waiting[0].rows:
            write([])
        answers.append(answer)
        if len(answers) == len(waiting[0].rows):
            write(answers)
            answers = []
    while waiting:
        write([])


def _open(job: Job, engine: Engine, survey: Survey, draft: ShardDraft, shard: int) -> AbstractContextManager[Writer]:
    return job.target.open(draft.path, engine, survey.columns, shard)


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


def _read_plan(job: Job) -> _Plan | None:
    try:
        return _Plan.model_validate_json((job.work / PLAN).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _runs(shards: list[int]) -> list[range]:
    """The same numbers as ranges: what follows each other is read in one pass."""
    runs: list[range] = []
    for shard in shards:
        if runs and runs[-1].stop == shard:
            runs[-1] = range(runs[-1].start, shard + 1)
        else:
            runs.append(range(shard, shard + 1))
    return runs


def _check_pair(job: Job, engine: Engine) -> None:
    if job.pair_field is not None and not engine.manifest.pair:
        raise AssayError(f"--pair is {job.pair_field!r}, but this model reads one text a row; leave --pair out")


def _check_columns(job: Job, engine: Engine, survey: Survey) -> None:
    for option, field in zip(("--text", "--pair"), job.fields(engine), strict=False):
        if survey.names and not {field, field.partition(".")[0]} & set(survey.names):
            names = ", ".join(survey.names)
            raise AssayError(f"{job.source.name} has no column {field!r}; name one with {option}: {names}")


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
