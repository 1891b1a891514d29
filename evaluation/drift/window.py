"""A window of incoming rows: rows in the document format of the recipe, or the prediction log of a server."""

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from assay.corpus.documents.annotators.several_people import joined
from assay.corpus.documents.document_diagnosis import SAMPLE, diagnose
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.values import UnreadableError, iso_time
from assay.corpus.errors import AssayError, DataError
from assay.corpus.example import Example
from assay.corpus.sources.extended_json import MongoFilter
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import find_files, have_line_of_names, read_files
from assay.corpus.sources.mongo import read_mongo
from assay.corpus.sources.row_filter import row_filter_error
from assay.evaluation.drift.embedding import Embedder
from assay.evaluation.drift.logged_rows import PREFIX, Labels, LoggedRow, read_labels, read_log
from assay.evaluation.drift.reservoir import reservoir_sample
from assay.evaluation.drift.window_statistics import WindowStatistics, row_key, window_statistics_of
from assay.evaluation.labelled_predictions import LabelledPrediction, as_tagged
from assay.recipes.recipe import Recipe
from assay.recipes.source_section import FilesSource, Source
from assay.serving.batch.mongo_address import is_mongo, mongo_query
from assay.serving.engine import Engine

MOST_FAULTS = 3
Row = TypeVar("Row")


class Window(BaseModel):
    """Location and time range of the rows of a window."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(
        description="File, folder or glob, of any kind that a recipe reads; a collection "
        "(mongo:env:VARIABLE/DATABASE/COLLECTION); the prediction log of a server (log:FOLDER)"
    )
    filter: MongoFilter = Field(
        default_factory=dict,
        description="Filter on the documents of a collection, or on the rows of files, in extended JSON",
    )
    since: str | None = Field(
        None,
        description="Only rows of this time or later, ISO 8601 (without an offset it is UTC); of files and collections "
        "by source.fields.time",
    )
    until: str | None = Field(None, description="Only rows before this time")
    known: bool = Field(
        False, description="Also compare rows of files and collections that are in the snapshot of the version"
    )
    labels: Path | None = Field(
        None, description="File of labels that arrived later: id, and label, labels or entities"
    )
    timeout_s: float = Field(30, gt=0, le=3600, description="Seconds until a MongoDB that does not respond is an error")

    @field_validator("since", "until", mode="before")
    @classmethod
    def _bounds_are_times(cls, value: Any, info: ValidationInfo) -> str | None:
        """Normalise bounds like the times of rows, with which they are compared as text."""
        try:
            time = iso_time(value, "")
        except UnreadableError:
            time = None
        if time is None and value is not None:
            raise ValueError(
                f"{info.field_name} is {value!r:.100}, which is not an ISO 8601 time; write 2026-11-14 or "
                "2026-11-14T08:00+01:00"
            )
        return time


class WindowCounts(BaseModel):
    """Counts of the rows of a window: seen, unreadable with reasons, and left out (see `DriftReport`)."""

    seen: int
    known: int = 0
    unreadable: int = 0
    faults: str = ""
    other_versions: int = 0


@dataclass
class WindowTally:
    """Running counts while rows are read."""

    seen: int = 0
    known: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add_fault(self, reason: str) -> None:
        """Count an unreadable row; the text before the colon is the kind of the reason."""
        self.reasons[reason.partition(": ")[0]] += 1

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows and count them."""
        for row in rows:
            self.seen += 1
            yield row

    def counts(self, other_versions: int = 0) -> WindowCounts:
        """Return the final counts."""
        faults = "; ".join(f"{reason} ({count})" for reason, count in self.reasons.most_common(MOST_FAULTS))
        unreadable = self.reasons.total()
        return WindowCounts(
            seen=self.seen, known=self.known, unreadable=unreadable, faults=faults, other_versions=other_versions
        )


def read_window(
    window: Window, recipe: Recipe, engine: Engine, embedder: Embedder, known: Container[str] = ()
) -> tuple[WindowStatistics, WindowCounts]:
    """Read a sample of the window and compute its statistics with the champion.

    Args:
        window: location and time range of the rows.
        recipe: recipe of the champion.
        engine: engine of the champion.
        embedder: embedder of the champion.
        known: keys (`row_key`) of the rows of the champion's snapshot, which are left out.

    Raises:
        AssayError: the window cannot be read.
        DataError: the window has no rows, known or new.
    """
    labels = read_labels(window.labels, recipe) if window.labels else {}
    tally, rule = WindowTally(), recipe.monitoring
    if window.address.startswith(PREFIX):
        logged = reservoir_sample(tally.counted(_read_log(window, labels, tally)), rule.max_rows, rule.seed)
        statistics = _log_statistics(logged, engine, embedder)
    else:
        rows = tally.counted(_read(window, recipe, labels, tally))
        examples = reservoir_sample(rows if window.known else _new_rows(rows, known, tally), rule.max_rows, rule.seed)
        of_documents = recipe.source.format == "parse"
        statistics = (
            window_statistics_of(engine, embedder, examples, of_documents=of_documents)
            if examples
            else WindowStatistics([])
        )
        logged = []
    counts = tally.counts(other_versions=max(0, len(logged) - len(statistics)))
    if not len(statistics) and not counts.known:  # a window without new rows is not an error
        cause = None if window.address.startswith(PREFIX) else _diagnosis(window, recipe)
        other_versions = f"{counts.other_versions} rows of other versions" if counts.other_versions else ""
        why = other_versions or cause or counts.faults or "it is empty"
        raise DataError(f"the window {window.address} has no rows to compare: {why}; name a window with such rows")
    return statistics, counts


def _diagnosis(window: Window, recipe: Recipe) -> str | None:
    """Return why no document of the window gives a row, if the name of a field or the format is wrong."""
    documents = itertools.islice(window_documents(window, recipe.source, []), SAMPLE)
    sample = [document.values for document in documents if isinstance(document, Document)]
    line_of_names = not is_mongo(window.address) and have_line_of_names(_files(window), _file_settings(recipe.source))
    return diagnose(
        recipe.source, sample, needs_label=False, needs_entities=False, columns=False, line_of_names=line_of_names
    )


def _new_rows(rows: Iterable[Example], known: Container[str], tally: WindowTally) -> Iterator[Example]:
    """Yield the rows that are not in the snapshot; the champion was trained on most of its rows."""
    for row in rows:
        if row_key(row) in known:
            tally.known += 1
        else:
            yield row


def _log_statistics(logged: list[LoggedRow], engine: Engine, embedder: Embedder) -> WindowStatistics:
    """Predict logged texts again; without texts, use the logged predictions of the same version only."""
    examples = [row.example for row in logged if row.example is not None]
    if examples and len(examples) == len(logged):
        return window_statistics_of(engine, embedder, examples)
    of_version = [row for row in logged if row.bundle == engine.digest]
    return WindowStatistics(
        _as_tagged(of_version, engine), clusters=[f"{row.group or number}" for number, row in enumerate(of_version)]
    )


def _as_tagged(logged: list[LoggedRow], engine: Engine) -> list[LabelledPrediction]:
    """Return the logged predictions, with gold entities widened to whole words if the text is known."""
    tagged = iter(as_tagged(engine, [row.example for row in logged if row.example is not None]))
    return [
        row.prediction if row.example is None else replace(row.prediction, gold_entities=next(tagged).entities)
        for row in logged
    ]


def _read_log(window: Window, labels: Labels, tally: WindowTally) -> Iterator[LoggedRow]:
    for row in read_log(Path(window.address.removeprefix(PREFIX)), labels):
        if isinstance(row, InvalidRow):
            tally.add_fault(row.reason)
        elif _is_in_time_range(row.time, window):
            yield row


def _read(window: Window, recipe: Recipe, labels: Labels, tally: WindowTally) -> Iterator[Example]:
    """Yield the rows of files or of a collection; a missing class or missing entities are None."""
    source = recipe.source
    labelled = DocumentReader(
        source,
        needs_label="sentence" in recipe.heads
        and (source.format == "parse" or source.is_of_tool or source.fields.label is not None),
        needs_entities="tokens" in recipe.heads and (source.format != "rows" or source.fields.entities is not None),
        needs_labels="labels" in recipe.heads,
    )
    unlabelled = DocumentReader(source, needs_label=False, needs_entities=False)
    read = partial(window_documents, window, source, labelled.field_names())
    for document in joined(read, source.format, source.fields):
        if isinstance(document, InvalidRow):
            tally.add_fault(document.reason)
            continue
        without_label = labelled.no_label
        examples, rejects = labelled.read(document)
        # Labels may be missing, or mean that there are none; the texts still count.
        if rejects or not examples or labelled.no_label > without_label:
            labelled_examples = {example.id: example for example in examples}
            examples, rejects = unlabelled.read(document)
            examples = [labelled_examples.get(example.id, example) for example in examples]
        for _, reason, _ in rejects:
            tally.add_fault(reason)
        for example in examples:
            if _is_in_time_range(example.time, window):
                yield _with_label(example, labels)


def _with_label(example: Example, labels: Labels) -> Example:
    label = labels.get(example.id)
    if label is None:
        return example
    entities = example.entities if label.entities is None else label.entities_in(example.text, example.id)
    group = example.group if label.group is None else label.group
    several = example.labels if label.labels is None else label.labels
    return replace(example, label=label.label or example.label, labels=several, entities=entities, group=group)


def window_documents(window: Window, source: Source, fields: list[str]) -> Iterable[Document | InvalidRow]:
    """Yield the documents of a collection or of files.

    Raises:
        AssayError: they cannot be read.
    """
    if is_mongo(window.address):
        return read_mongo(mongo_query("--window", window.address, window.filter, fields, window.timeout_s))
    if refusal := row_filter_error(window.filter, "--filter"):
        raise AssayError(refusal)
    return read_files(_files(window), _file_settings(source), window.filter, source.format, source.annotations)


def _files(window: Window) -> dict[Path, str]:
    return find_files({window.address: "all"})


def _file_settings(source: Source) -> FileSettings:
    return source.file if isinstance(source, FilesSource) else FileSettings()


def _is_in_time_range(time: str | None, window: Window) -> bool:
    """Return whether a time lies in the range of the window; ISO 8601 times in UTC sort as text."""
    if window.since is None and window.until is None:
        return True
    if time is None:
        raise DataError(
            "the rows of the window have no time to filter by; name their field in source.fields.time of the recipe, "
            "or leave since and until out"
        )
    time = _without_offset(time)
    return (window.since is None or time >= _without_offset(window.since)) and (
        window.until is None or time < _without_offset(window.until)
    )


def _without_offset(time: str) -> str:
    """Remove the offset: times with an offset are already in UTC, and times without one count as UTC."""
    return time.removesuffix("+00:00")
