"""A window of what came in: rows of files or a collection, in the form of the recipe, labels where there are any."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from corpus.document import BadRow, Document
from corpus.documents import DocumentReader
from corpus.errors import DataError
from corpus.example import Example
from corpus.files import find_files, read_files
from corpus.mongo import read_mongo
from recipes.recipe import Recipe
from serving.batch.addresses import is_mongo, mongo_query
from serving.engine import Engine
from tasks.monitoring.embedding import Embedder
from tasks.monitoring.observed import Observed, observe
from tasks.monitoring.reference import draw

EXAMPLES_OF_FAULTS = 3


class Window(BaseModel):
    """Where the rows of a window are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(
        description="JSONL, CSV or Parquet file, possibly gzipped, or a glob; a collection "
        "(mongo:env:VARIABLE/DATABASE/COLLECTION); the log of a server (log:FOLDER)"
    )
    filter: dict[str, Any] = Field(default_factory=dict, description="Which documents of a collection")
    since: str | None = Field(
        None, description="Only rows of this time or later, ISO 8601 (of files: source.fields.time)"
    )
    until: str | None = Field(None, description="Only rows before this time")
    timeout_s: float = Field(30, gt=0, description="Seconds until a silent MongoDB is an error")


class Counts(BaseModel):
    """Rows that a window held, those that could not be read and why, and those that others answered (see report)."""

    seen: int
    unreadable: int = 0
    faults: str = ""
    others: int = 0


@dataclass
class Faults:
    """Rows of a window that could not be read, by reason."""

    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str) -> None:
        """One more; the kind of a reason stands before its colon."""
        self.reasons[reason.partition(": ")[0]] += 1

    def __str__(self) -> str:
        return "; ".join(f"{reason} ({count})" for reason, count in self.reasons.most_common(EXAMPLES_OF_FAULTS))


def observe_window(window: Window, recipe: Recipe, engine: Engine, embedder: Embedder) -> tuple[Observed, Counts]:
    """A sample of the window as the champion reads it.

    Args:
        window: where the rows are.
        recipe: of the champion.
        engine: of the champion.
        embedder: of the champion.

    Raises:
        AssayError: the window cannot be read.
        DataError: it holds no row.
    """
    faults, rule = Faults(), recipe.monitoring
    seen = 0

    def counted() -> Iterator[Example]:
        nonlocal seen
        for example in read_window(window, recipe, faults):
            seen += 1
            yield example

    examples = draw(counted(), rule.max_rows, rule.seed)
    if not examples:
        raise DataError(f"the window {window.address} holds no row that can be read: {faults or 'it is empty'}")
    counts = Counts(seen=seen, unreadable=faults.reasons.total(), faults=str(faults))
    return observe(engine, embedder, examples), counts


def read_window(window: Window, recipe: Recipe, faults: Faults) -> Iterator[Example]:
    """The rows, in order, one at a time. What a row lacks of class or entities is None.

    Args:
        window: where they are.
        recipe: of the champion: how a document becomes rows.
        faults: takes what could not be read.

    Raises:
        AssayError: there is nothing to read, or MongoDB does not answer.
    """
    form = recipe.source
    labelled = DocumentReader(
        form,
        needs_label="sentence" in recipe.heads and (form.form == "parse" or form.fields.label is not None),
        needs_entities="tokens" in recipe.heads and (form.form != "rows" or form.fields.entities is not None),
    )
    bare = DocumentReader(form, needs_label=False, needs_entities=False)
    for document in _documents(window, labelled.field_names()):
        if isinstance(document, BadRow):
            faults.add(document.reason)
            continue
        examples, rejects = labelled.read(document)
        if rejects:  # labels come late, or never: the texts count nevertheless
            examples, rejects = _better(examples, bare.read(document))
        for _, reason, _ in rejects:
            faults.add(reason)
        yield from (one for one in examples if _in_time(one.time, window))


def _better(
    labelled: list[Example], read: tuple[list[Example], list[tuple[str, str, Any]]]
) -> tuple[list[Example], list[tuple[str, str, Any]]]:
    """Rows as they could be read without labels, with labels where they have some."""
    whole: Mapping[str, Example] = {example.id: example for example in labelled}
    return [whole.get(example.id, example) for example in read[0]], read[1]


def _documents(window: Window, fields: list[str]) -> Iterable[Document | BadRow]:
    if is_mongo(window.address):
        return read_mongo(mongo_query("--window", window.address, window.filter, fields, window.timeout_s))
    return read_files(find_files({window.address: "all"}))


def _in_time(time: str | None, window: Window) -> bool:
    """ISO 8601 sorts as text."""
    if window.since is None and window.until is None:
        return True
    if time is None:
        raise DataError(
            "the rows of the window carry no time to choose by; name their field in source.fields.time of the recipe, "
            "or leave since and until out"
        )
    return (window.since is None or time >= window.since) and (window.until is None or time < window.until)
