"""Prediction jobs: source, target and options, and the stored plan of shards from which an interrupted job resumes.

A stored plan is valid while input, model and options are the same.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_json
from assay.serving.batch.row_sources import Source
from assay.serving.batch.scan import Scan, ScanRecord
from assay.serving.batch.shards import ShardFolder, clear
from assay.serving.batch.targets import FileTarget, Target
from assay.serving.engine import Engine

ROWS_PER_SHARD = 8_192
PLAN = "plan.json"


class _Plan(BaseModel):
    """The plan of a folder of shards: the key of its job, and the scan with the start of each shard."""

    key: str
    scan: ScanRecord


@dataclass(frozen=True)
class PredictionJob:
    """The source, the target and the options of a prediction.

    `errors` is the file of invalid rows, `work` the folder of finished shards, on the file system of the output.
    `abstained` is the file of the rows that are left to people; None writes none.
    """

    source: Source
    target: Target
    errors: Path
    work: Path
    text_field: str = "text"
    pair_field: str | None = None
    shard_rows: int = ROWS_PER_SHARD
    abstained: FileTarget | None = None

    def fields(self, engine: Engine) -> list[str]:
        """Return the columns that the model reads: of the text, and of the second text for a model of pairs."""
        return text_fields(engine, self.text_field, self.pair_field)

    def key(self, engine: Engine) -> str:
        """Return the digest of everything that the shards depend on."""
        parts = {
            "source": self.source.identity(),
            "target": self.target.identity(),
            "model": engine.digest,
            "fields": self.fields(engine),
            "shard_rows": self.shard_rows,
            "version": version("assay"),
            "abstained": self.abstained.identity() if self.abstained else None,
        }
        return digest_json(parts)

    def shards(self) -> ShardFolder:
        """Return the folder of the finished shards."""
        return ShardFolder(self.work, self.target.suffix, self.abstained.suffix if self.abstained else None)


def text_fields(engine: Engine, text: str, pair: str | None) -> list[str]:
    """Return the columns that a model reads: of the text, and for pairs of the second text (None reads `text_pair`)."""
    return [text, pair or "text_pair"] if engine.manifest.pair else [text]


def scan_job(job: PredictionJob, engine: Engine, *, may_be_empty: bool = False) -> Scan:
    """Scan the input, unless a current plan holds its scan, and check that the model can read it.

    Raises:
        AssayError: the input is empty and must not be, or a column or the model does not fit.
    """
    plan = _read_plan(job)
    if plan and plan.key == job.key(engine):
        return plan.scan.scan()
    _check_pair(job, engine)
    scan = job.source.scan(job.shard_rows, job.target.layout)
    if not scan.rows and not may_be_empty:
        raise AssayError(f"{job.source.name} holds no rows; nothing to predict")
    _check_columns(job, engine, scan)
    return scan


def save_plan(job: PredictionJob, engine: Engine, scan: Scan) -> None:
    """Store the plan of a job; shards of another input, model or options are removed."""
    if plan_is_current(job, engine):
        return
    clear(job.work)
    plan = _Plan(key=job.key(engine), scan=ScanRecord.of(scan))
    with atomic_path(job.work / PLAN) as partial:
        partial.write_text(plan.model_dump_json(), encoding="utf-8")


def plan_is_current(job: PredictionJob, engine: Engine) -> bool:
    """Return whether the stored shards were made from the present input, model and options."""
    plan = _read_plan(job)
    return plan is not None and plan.key == job.key(engine)


def _read_plan(job: PredictionJob) -> _Plan | None:
    try:
        return _Plan.model_validate_json((job.work / PLAN).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _check_pair(job: PredictionJob, engine: Engine) -> None:
    if job.pair_field is not None and not engine.manifest.pair:
        raise AssayError(f"--pair is {job.pair_field!r}, but this model reads one text per row; leave --pair out")


def _check_columns(job: PredictionJob, engine: Engine, scan: Scan) -> None:
    for option, field in zip(("--text", "--pair"), job.fields(engine), strict=False):
        if scan.names and not {field, field.partition(".")[0]} & set(scan.names):
            names = ", ".join(scan.names)
            raise AssayError(f"{job.source.name} has no column {field!r}; name one with {option}: {names}")
