"""Answer every file of a folder into a folder of the same names, and go on where that was broken off."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.sources.files import file_kind
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_file
from assay.serving.batch.execution import PredictionCounts, run_job
from assay.serving.batch.prediction_job import PredictionJob, scan_job
from assay.serving.batch.progress import ProgressReporter, rows_bar
from assay.serving.batch.row_sources import FileSource
from assay.serving.batch.scan import Scan
from assay.serving.batch.shards import locked
from assay.serving.batch.targets import FileTarget
from assay.serving.engine import Engine

STATE = ".shards"


class _Done(BaseModel):
    """A file that is answered: what its answers depend on, and their digest."""

    key: str
    digest: str
    counts: PredictionCounts


@dataclass(frozen=True)
class _File:
    """One file of the folder; `marker` lies where it is answered."""

    job: PredictionJob
    marker: Path

    def counts(self, engine: Engine) -> PredictionCounts | None:
        """What came out, if it is answered already and nothing has changed since."""
        try:
            done = _Done.model_validate_json(self.marker.read_bytes())
            same = done.key == self.job.key(engine) and done.digest == digest_file(Path(self.job.target.name))
        except (FileNotFoundError, ValidationError):
            return None
        return done.counts if same else None

    def answer(self, engine: Engine, scan: Scan, progress: ProgressReporter) -> PredictionCounts:
        """Answer it, and note that it is answered."""
        counts = run_job(self.job, engine, scan, progress)
        digest = digest_file(Path(self.job.target.name))
        with atomic_path(self.marker) as partial:
            done = _Done(key=self.job.key(engine), digest=digest, counts=counts)
            partial.write_text(done.model_dump_json(), encoding="utf-8")
        return counts


def predict_folder(engine: Engine, input: Path, output: Path, like: PredictionJob) -> PredictionCounts:
    """Answer all JSONL, CSV and Parquet files below `input`; hidden files and those named `_...` are left out.

    Bad rows lie beside each output, in `NAME.errors.jsonl`. Until all files are answered, a folder `.shards` in
    `output` keeps what is done.

    Args:
        engine: the model.
        input: a folder.
        output: a folder; files of the same names in it are replaced, one by one.
        like: fields and size of shards.

    Raises:
        AssayError: no files, one of an unknown kind, one that cannot be read, or what `run_job` raises.
    """
    names = list(_names(input))
    if output.resolve() == input.resolve() or input.resolve() in output.resolve().parents:
        raise AssayError(f"--output is {output}, which lies in --input {input}; name a folder outside of it")
    state = output / STATE
    files = [_file(input, output, name, like) for name in names]
    with locked(state, output.as_posix()):
        done = {name: file.counts(engine) for name, file in zip(names, files, strict=True)}
        # All are looked through before the first is answered: what is wrong is said at once.
        scans = [scan_job(file.job, engine, may_be_empty=True) for file in files]
        counts = []
        with rows_bar(input.name, sum(scan.rows for scan in scans)) as bar:
            for name, file, scan in zip(names, files, scans, strict=True):
                if found := done[name]:
                    bar.resume(scan.rows)
                    counts.append(found.model_copy(update={"resumed": scan.rows}))
                else:
                    counts.append(file.answer(engine, scan, bar))
    shutil.rmtree(state)
    return _sum(counts, output)


def _names(folder: Path) -> Iterator[Path]:
    """Paths of the files below a folder, relative to it."""
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    names = [name for name in found if not any(part.startswith((".", "_")) for part in name.parts)]
    if not names:
        raise AssayError(f"{folder} holds no files; nothing to predict")
    for name in names:
        file_kind(folder / name)
    return iter(names)


def _file(input: Path, output: Path, name: Path, like: PredictionJob) -> _File:
    target, state = output / name, output / STATE / name
    errors = target.with_name(f"{name.name}.errors.jsonl")
    job = replace(like, source=FileSource(input / name), target=FileTarget(target), errors=errors, work=state)
    return _File(job, state.with_name(f"{name.name}.done.json"))


def _sum(counts: list[PredictionCounts], output: Path) -> PredictionCounts:
    errors = sum(one.errors for one in counts)
    return PredictionCounts(
        rows=sum(one.rows for one in counts),
        truncated=sum(one.truncated for one in counts),
        errors=errors,
        output=output.as_posix(),
        errors_path=output / "**" / "*.errors.jsonl" if errors else None,
        resumed=sum(one.resumed for one in counts),
    )
