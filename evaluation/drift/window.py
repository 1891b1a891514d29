"""A window of what came in: rows in the form of the recipe, or those that a server wrote down."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.values import UnreadableError, iso_time
from assay.corpus.errors import DataError
from assay.corpus.example import Example
from assay.corpus.sources.extended_json import MongoFilter
from assay.corpus.sources.files import find_files, read_files
from assay.corpus.sources.mongo import read_mongo
from assay.evaluation.drift.embedding import Embedder
from assay.evaluation.drift.logged_rows import PREFIX, Labels, Logged, read_labels, read_log
from assay.evaluation.drift.reservoir import draw
from assay.evaluation.drift.window_statistics import WindowStatistics, row_key, window_statistics_of
from assay.evaluation.labelled_predictions import LabelledPrediction, as_tagged
from assay.recipes.recipe import Recipe
from assay.serving.batch.mongo_address import is_mongo, mongo_query
from assay.serving.engine import Engine

MOST_FAULTS = 3
Row = TypeVar("Row")


class Window(BaseModel):
    """Where the rows of a window are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(
        description="JSONL, CSV or Parquet file, possibly gzipped, or a glob; a collection "
        "(mongo:env:VARIABLE/DATABASE/COLLECTION); the log of a server (log:FOLDER)"
    )
    filter: MongoFilter = Field(default_factory=dict, description="Which documents of a collection, in extended JSON")
    since: str | None = Field(
        None,
        description="Only rows of this time or later, ISO 8601 (without an offset it is UTC); of files and collections "
        "by source.fields.time",
    )
    until: str | None = Field(None, description="Only rows before this time")
    known: bool = Field(
        False, description="Of files and collections, compare rows of the snapshot that the version is made of, too"
    )
    labels: Path | None = Field(None, description="File of labels that came late: id, and label or entities")
    timeout_s: float = Field(30, gt=0, le=3600, description="Seconds until a silent MongoDB is an error")

    @field_validator("since", "until", mode="before")
    @classmethod
    def _bounds_are_times(cls, value: Any, info: ValidationInfo) -> str | None:
        """Written as the times of rows are, which they are compared with as text."""
        try:
            time = iso_time(value, "")
        except UnreadableError:
            time = None
        if time is None and value is not None:
            raise ValueError(
                f"{info.field_name} is {value!r:.100}, which is no time in ISO 8601; write 2026-11-14 or "
                "2026-11-14T08:00+01:00"
            )
        return time


class WindowCounts(BaseModel):
    """Rows that a window held, those that could not be read and why, and those that were left out (see report)."""

    seen: int
    known: int = 0
    unreadable: int = 0
    faults: str = ""
    others: int = 0


@dataclass
class WindowTally:
    """Counts while rows are read."""

    seen: int = 0
    known: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def fault(self, reason: str) -> None:
        """One more that could not be read; the kind of a reason stands before its colon."""
        self.reasons[reason.partition(": ")[0]] += 1

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, counted."""
        for row in rows:
            self.seen += 1
            yield row

    def counts(self, others: int = 0) -> WindowCounts:
        """What was counted."""
        faults = "; ".join(f"{reason} ({count})" for reason, count in self.reasons.most_common(MOST_FAULTS))
        unreadable = self.reasons.total()
        return WindowCounts(seen=self.seen, known=self.known, unreadable=unreadable, faults=faults, others=others)


def observe_window(
    window: Window, recipe: Recipe, engine: Engine, embedder: Embedder, known: Container[str] = ()
) -> tuple[WindowStatistics, WindowCounts]:
    """A sample of the window as the champion reads it.

    Args:
        window: where the rows are.
        recipe: of the champion.
        engine: of the champion.
        embedder: of the champion.
        known: keys (`row_key`) of the rows that its snapshot holds, and that are no news.

    Raises:
        AssayError: the window cannot be read.
        DataError: it holds no row, known or not.
    """
    labels = read_labels(window.labels, recipe) if window.labels else {}
    tally, rule = WindowTally(), recipe.monitoring
    if window.address.startswith(PREFIX):
        logged = draw(tally.through(_read_log(window, labels, tally)), rule.max_rows, rule.seed)
        observed = _observe_log(logged, engine, embedder)
    else:
        rows = tally.through(_read(window, recipe, labels, tally))
        examples = draw(rows if window.known else _news(rows, known, tally), rule.max_rows, rule.seed)
        of_documents = recipe.source.format == "parse"
        observed = (
            window_statistics_of(engine, embedder, examples, of_documents=of_documents)
            if examples
            else WindowStatistics([])
        )
        logged = []
    counts = tally.counts(others=max(0, len(logged) - len(observed)))
    if not len(observed) and not counts.known:  # a night without news is no error
        why = f"{counts.others} rows of other versions" if counts.others else counts.faults or "it is empty"
        raise DataError(f"the window {window.address} holds no row to compare: {why}")
    return observed, counts


def _news(rows: Iterable[Example], known: Container[str], tally: WindowTally) -> Iterator[Example]:
    """Rows that the snapshot does not hold: the champion has learnt most of those that it does."""
    for row in rows:
        if row_key(row) in known:
            tally.known += 1
        else:
            yield row


def _observe_log(logged: list[Logged], engine: Engine, embedder: Embedder) -> WindowStatistics:
    """With texts, the champion reads them again; else what it answered counts, and what others answered does not."""
    examples = [row.example for row in logged if row.example is not None]
    if examples and len(examples) == len(logged):
        return window_statistics_of(engine, embedder, examples)
    own = [row for row in logged if row.bundle == engine.digest]
    return WindowStatistics(
        _as_tagged(own, engine), clusters=[f"{row.group or number}" for number, row in enumerate(own)]
    )


def _as_tagged(logged: list[Logged], engine: Engine) -> list[LabelledPrediction]:
    """Return what was answered, with the right entities as tags can say them, where the text is known."""
    tagged = iter(as_tagged(engine, [row.example for row in logged if row.example is not None]))
    return [
        row.answer if row.example is None else replace(row.answer, gold_entities=next(tagged).entities)
        for row in logged
    ]


def _read_log(window: Window, labels: Labels, tally: WindowTally) -> Iterator[Logged]:
    for row in read_log(Path(window.address.removeprefix(PREFIX)), labels):
        if isinstance(row, InvalidRow):
            tally.fault(row.reason)
        elif _in_time(row.time, window):
            yield row


def _read(window: Window, recipe: Recipe, labels: Labels, tally: WindowTally) -> Iterator[Example]:
    """The rows of files or of a collection; what one lacks of class or entities is None."""
    document_format = recipe.source
    labelled = DocumentReader(
        document_format,
        needs_label="sentence" in recipe.heads
        and (document_format.format == "parse" or document_format.fields.label is not None),
        needs_entities="tokens" in recipe.heads
        and (document_format.format != "rows" or document_format.fields.entities is not None),
    )
    bare = DocumentReader(document_format, needs_label=False, needs_entities=False)
    for document in _documents(window, labelled.field_names()):
        if isinstance(document, InvalidRow):
            tally.fault(document.reason)
            continue
        examples, rejects = labelled.read(document)
        if rejects:  # labels come late, or never: the texts count nevertheless
            whole = {example.id: example for example in examples}
            examples, rejects = bare.read(document)
            examples = [whole.get(example.id, example) for example in examples]
        for _, reason, _ in rejects:
            tally.fault(reason)
        for example in examples:
            if _in_time(example.time, window):
                yield _with_label(example, labels)


def _with_label(example: Example, labels: Labels) -> Example:
    right = labels.get(example.id)
    if right is None:
        return example
    entities = example.entities if right.entities is None else right.entities_in(example.text, example.id)
    group = example.group if right.group is None else right.group
    return replace(example, label=right.label or example.label, entities=entities, group=group)


def _documents(window: Window, fields: list[str]) -> Iterable[Document | InvalidRow]:
    if is_mongo(window.address):
        return read_mongo(mongo_query("--window", window.address, window.filter, fields, window.timeout_s))
    return read_files(find_files({window.address: "all"}))


def _in_time(time: str | None, window: Window) -> bool:
    """ISO 8601 in UTC sorts as text."""
    if window.since is None and window.until is None:
        return True
    if time is None:
        raise DataError(
            "the rows of the window carry no time to choose by; name their field in source.fields.time of the recipe, "
            "or leave since and until out"
        )
    time = _without_offset(time)
    return (window.since is None or time >= _without_offset(window.since)) and (
        window.until is None or time < _without_offset(window.until)
    )


def _without_offset(time: str) -> str:
    """What has an offset is in UTC by now, and what has none is read as UTC."""
    return time.removesuffix("+00:00")
