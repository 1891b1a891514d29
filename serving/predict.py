"""Answer every row of a file: what is bad goes to an errors file with its reason, and the rest is done."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, ConfigDict
from rich.progress import Progress

from corpus.atomic import atomic_path
from corpus.document import BadRow
from corpus.errors import AssayError
from corpus.files import file_kind, iter_rows
from serving.engine import Engine, Row
from serving.output import Writer, open_writer
from serving.progress import rows_progress
from serving.survey import Survey, plain, survey_file

# Far beyond what any model here reads; a longer "text" is a broken export.
MAX_CHARACTERS = 100_000
_Numbered = tuple[int, dict[str, Any] | BadRow]
_Pending = tuple[dict[str, Any], str]


class PredictionCounts(BaseModel):
    """How many rows were answered, how many of them only in part, and how many were bad."""

    model_config = ConfigDict(frozen=True)

    rows: int
    truncated: int
    errors: int
    output: Path
    errors_path: Path | None


def predict_file(
    engine: Engine,
    input: Path,
    output: Path,
    errors: Path | None = None,
    text_field: str = "text",
    pair_field: str | None = None,
) -> PredictionCounts:
    """Answer a file, row by row in its order, in memory that does not grow with it.

    Args:
        engine: the model.
        input: JSONL, CSV or Parquet, possibly gzipped.
        output: in the format of its extension: all input columns and the answer (see `serving.output`). It
            appears whole or not at all.
        errors: JSON lines of row number, id and reason, only made when a row is bad; none: `OUTPUT.errors.jsonl`.
        text_field: column of the text.
        pair_field: column of the second text, for a model of pairs; none: `text_pair`.

    Raises:
        AssayError: a path, a column or the model does not fit, the input is empty, or the disk is full.
    """
    errors = errors or output.with_name(output.name + ".errors.jsonl")
    _check_paths(input, output, errors)
    survey = survey_file(input)
    fields = _fields(engine, survey, input, text_field, pair_field)
    # The output gets its name last: where it lies, the errors file is whole too.
    with _write_errors(output), atomic_path(output) as partial, ExitStack() as stack:
        rejects = _Rejects(errors, stack)
        with rows_progress() as progress, open_writer(output, partial, engine, survey.columns) as writer:
            rows = _watched(input, survey, progress)
            answered, truncated = _answer_rows(engine, rows, fields, rejects, writer)
    if not rejects.count:
        errors.unlink(missing_ok=True)  # of an earlier run into the same output
    return PredictionCounts(
        rows=answered,
        truncated=truncated,
        errors=rejects.count,
        output=output,
        errors_path=errors if rejects.count else None,
    )


class _Rejects:
    """The errors file; it is opened when the first bad row comes."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.count = 0
        self._path = path
        self._stack = stack
        self._file: TextIO | None = None

    def add(self, number: int, row_id: Any, reason: str) -> None:
        """Note one bad row."""
        if self._file is None:
            partial = self._stack.enter_context(atomic_path(self._path))
            self._file = self._stack.enter_context(partial.open("w", encoding="utf-8"))
        line = {"row": number, "id": row_id, "reason": reason}
        self._file.write(json.dumps(plain(line), ensure_ascii=False, default=str) + "\n")
        self.count += 1


def _check_paths(input: Path, output: Path, errors: Path) -> None:
    file_kind(output)
    places = {"--input": input, "--output": output, "--errors": errors}
    seen: dict[Path, str] = {}
    for option, path in places.items():
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise AssayError(f"{option} is {path}, the same file as {other}; name another one")


def _fields(engine: Engine, survey: Survey, input: Path, text_field: str, pair_field: str | None) -> list[str]:
    """The columns that the model reads: of the text, and of the second text for a model of pairs."""
    if not survey.rows:
        raise AssayError(f"{input} holds no rows; nothing to predict")
    if pair_field is not None and not engine.manifest.pair:
        raise AssayError(f"--pair is {pair_field!r}, but this model reads one text a row; leave --pair out")
    fields = [text_field, pair_field or "text_pair"] if engine.manifest.pair else [text_field]
    for option, field in zip(("--text", "--pair"), fields, strict=False):
        if survey.names and field not in survey.names:
            raise AssayError(f"{input} has no column {field!r}; name one with {option}: {', '.join(survey.names)}")
    return fields


def _answer_rows(
    engine: Engine, rows: Iterator[_Numbered], fields: list[str], rejects: _Rejects, writer: Writer
) -> tuple[int, int]:
    """Send rows through the engine to the writer; how many were answered, and how many of these truncated."""
    pending: deque[_Pending] = deque()
    answered = truncated = 0
    for answer in engine.predict_stream(_good_rows(rows, fields, rejects, pending)):
        row, text = pending.popleft()
        writer.write(row, text, answer)
        answered, truncated = answered + 1, truncated + answer.truncated
    return answered, truncated


def _watched(input: Path, survey: Survey, progress: Progress) -> Iterator[_Numbered]:
    """The rows of the file, and a step of the bar for each."""
    task = progress.add_task(input.name, total=survey.rows)
    for numbered in iter_rows(input):
        yield numbered
        progress.advance(task)


def _good_rows(
    rows: Iterator[_Numbered],
    fields: list[str],
    rejects: _Rejects,
    pending: deque[_Pending],
) -> Iterator[Row]:
    """Rows for the engine; each waits in `pending` for its answer."""
    for number, row in rows:
        if isinstance(row, BadRow):
            rejects.add(number, row.id, row.reason)
        elif reason := next(filter(None, (_fault(row, field) for field in fields)), None):
            rejects.add(number, row.get("id"), reason)
        else:
            texts = [row[field] for field in fields]
            pending.append((row, texts[0]))
            yield Row(*texts)


def _fault(row: dict[str, Any], field: str) -> str | None:
    """Why the text of a row cannot be answered."""
    if row.get(field) is None:
        return f"{field} is missing"
    text = row[field]
    if not isinstance(text, str):
        return f"{field} is {text!r:.80}, not a text"
    if not text.strip():
        return f"{field} is blank"
    if len(text) > MAX_CHARACTERS:
        return f"{field} has {len(text)} characters, more than {MAX_CHARACTERS}"
    return None


@contextmanager
def _write_errors(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise AssayError(f"{output} cannot be written: {reason}; free space or name another --output") from error
