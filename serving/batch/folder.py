"""Prediction of the files of a folder into a folder with the same names, resumable after each file and shard."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.recognition import describe_file
from assay.corpus.sources.saved_dataset import is_description
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_file
from assay.serving.batch.execution import PredictionCounts, run_job
from assay.serving.batch.output import SUFFIXES
from assay.serving.batch.prediction_job import PredictionJob, scan_job
from assay.serving.batch.progress import ProgressReporter, rows_bar
from assay.serving.batch.request import SHARDS
from assay.serving.batch.row_sources import FileSource
from assay.serving.batch.scan import Scan
from assay.serving.batch.shards import lock_folder
from assay.serving.batch.targets import FileTarget
from assay.serving.engine import Engine


class _CompletionRecord(BaseModel):
    """The record of a predicted file: the key of its job, and the digest and the counts of its output."""

    key: str
    digest: str
    counts: PredictionCounts


@dataclass(frozen=True)
class _File:
    """The job of one file of the folder, and the path of its completion record."""

    job: PredictionJob
    record_path: Path

    def counts(self, engine: Engine) -> PredictionCounts | None:
        """Return the counts of an earlier run; None if there is none, or if its input or output changed since."""
        try:
            record = _CompletionRecord.model_validate_json(self.record_path.read_bytes())
            current = record.key == self.job.key(engine) and record.digest == digest_file(Path(self.job.target.name))
        except (FileNotFoundError, ValidationError):
            return None
        return record.counts if current else None

    def predict(self, engine: Engine, scan: Scan, progress: ProgressReporter) -> PredictionCounts:
        """Predict the file, and write its completion record."""
        counts = run_job(self.job, engine, scan, progress)
        digest = digest_file(Path(self.job.target.name))
        with atomic_path(self.record_path) as partial:
            record = _CompletionRecord(key=self.job.key(engine), digest=digest, counts=counts)
            partial.write_text(record.model_dump_json(), encoding="utf-8")
        return counts


def predict_folder(engine: Engine, input: Path, output: Path, template: PredictionJob) -> PredictionCounts:
    """Predict all files below `input` that a recipe reads, except hidden files and those named `_...`.

    Descriptions of data sets that `datasets` saved are left out, too. The output of a file whose kind is read and not
    written, such as `a.xlsx`, is `a.xlsx.jsonl`.
    Invalid rows go to `NAME.errors.jsonl` beside each output. The folder `.shards` in `output` keeps finished shards
    and completion records until all files are predicted.

    Args:
        engine: the model.
        input: a folder.
        output: a folder, in which the files of these names are replaced one by one.
        template: fields and rows per shard of the job of each file.

    Raises:
        AssayError: the folder has no files, a file is of an unknown kind or cannot be read, or see `run_job`.
    """
    names = list(_names(input, _settings(template)))
    if output.resolve() == input.resolve() or input.resolve() in output.resolve().parents:
        raise AssayError(f"--output is {output}, which lies in --input {input}; name a folder outside it")
    state = output / SHARDS
    files = [_file(input, output, name, template) for name in names]
    with lock_folder(state, output.as_posix()):
        # All files are scanned before the first is predicted, so that errors show at once.
        earlier_counts = [file.counts(engine) for file in files]
        scans = [scan_job(file.job, engine, may_be_empty=True) for file in files]
        counts = []
        with rows_bar(input.name, sum(scan.rows for scan in scans)) as bar:
            for file, scan, earlier in zip(files, scans, earlier_counts, strict=True):
                if earlier:
                    bar.resume(scan.rows)
                    counts.append(earlier.model_copy(update={"resumed": scan.rows}))
                else:
                    counts.append(file.predict(engine, scan, bar))
    shutil.rmtree(state)
    return _sum(counts, output)


def _names(folder: Path, settings: FileSettings) -> Iterator[Path]:
    """Return the paths of the files below a folder, relative to it.

    Raises:
        AssayError: there is none, one cannot be read, or two would have the same output.
    """
    files = (path for path in folder.rglob("*") if path.is_file() and not is_description(path))
    paths = sorted(path.relative_to(folder) for path in files)
    names = [path for path in paths if not any(part.startswith((".", "_")) for part in path.parts)]
    if not names:
        raise AssayError(f"{folder} holds no files; nothing to predict")
    outputs: dict[Path, Path] = {}
    for name in names:
        _check_readable(folder / name, settings)
        if (other := outputs.setdefault(_output_name(name), name)) != name:
            raise AssayError(
                f"{folder / other} and {folder / name} would both be written to {_output_name(name)}; rename one"
            )
    return iter(names)


def _check_readable(path: Path, settings: FileSettings) -> None:
    try:
        describe_file(path, settings)
    except AssayError as error:
        raise AssayError(f"{error}; or leave it out of the folder, by a name that begins with _") from error


def _output_name(name: Path) -> Path:
    """Return the name of the output of a file: its own if files of this kind are written, else with `.jsonl`."""
    is_written = name.name.lower().endswith(SUFFIXES)
    return name if is_written else name.with_name(f"{name.name}.jsonl")


def _file(input: Path, output: Path, name: Path, template: PredictionJob) -> _File:
    written = _output_name(name)
    target, state = output / written, output / SHARDS / written
    errors = target.with_name(f"{written.name}.errors.jsonl")
    source = FileSource(input / name, _settings(template))
    job = replace(template, source=source, target=_target(template, target), errors=errors, work=state)
    return _File(job, state.with_name(f"{written.name}.done.json"))


def _target(template: PredictionJob, path: Path) -> FileTarget:
    assert isinstance(template.target, FileTarget)  # noqa: S101  # narrows the type
    return replace(template.target, path=path)


def _settings(template: PredictionJob) -> FileSettings:
    assert isinstance(template.source, FileSource)  # noqa: S101  # narrows the type
    return template.source.settings


def _sum(counts: list[PredictionCounts], output: Path) -> PredictionCounts:
    errors = sum(file.errors for file in counts)
    return PredictionCounts(
        rows=sum(file.rows for file in counts),
        truncated=sum(file.truncated for file in counts),
        errors=errors,
        output=output.as_posix(),
        errors_path=output / "**" / "*.errors.jsonl" if errors else None,
        resumed=sum(file.resumed for file in counts),
    )
