"""Rows without labels, of which some are to be labelled next."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from assay.corpus.cleaning import Cleaning
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import DataError
from assay.corpus.example import Example
from assay.corpus.near_duplicates import normalise
from assay.corpus.overlay import added_id
from assay.corpus.sources.extended_json import MongoFilter
from assay.evaluation.drift.reservoir import reservoir_sample
from assay.evaluation.drift.window import Window, window_documents
from assay.evaluation.labels.held_out_rows import HeldOutRow
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.row_choice import ChosenRow, row_uncertainty
from assay.recipes.recipe import Recipe

# Choosing among more rows than this takes long and changes little.
MOST_ROWS = 20_000


def read_unlabelled(address: str, filter_: MongoFilter, recipe: Recipe, known: Iterable[Example]) -> list[Example]:
    """Return rows of a source, without near-duplicates of each other and of rows that have labels.

    The id of a row is made from its text, so that its labels find it even if the source changes. Of more than
    `MOST_ROWS` rows, as many are drawn at random.

    Args:
        address: file, folder, glob or collection, as for `assay monitor`.
        filter_: filter on its documents.
        recipe: recipe whose format the documents have.
        known: rows that have labels.

    Raises:
        AssayError: the source cannot be read.
        DataError: it holds no new row.
    """
    cleaning = recipe.model.cleaning
    keys = {_key(example, cleaning) for example in known}
    labelled = len(keys)
    read = reservoir_sample(_new(_rows(address, filter_, recipe), keys, cleaning), MOST_ROWS, 0)
    if not read:
        raise DataError(
            f"{address} holds no row that is new to the {labelled:,} labelled ones and that the recipe can read; check "
            "its name, the filter and source.fields.text"
        )
    return read


def suggestion(row: HeldOutRow, chosen: ChosenRow) -> LabelTask:
    """Return the task of a chosen row, with the prediction of the model."""
    prediction, uncertainty = row.prediction, row_uncertainty(row)
    drawn = "drawn at random" if chosen.at_random else "the model is unsure, and the row is unlike the others"
    return LabelTask(
        id=row.example.id,
        split=None,
        text=row.example.text,
        text_pair=row.example.text_pair,
        label=None,
        entities=None,
        proposed_label=prediction.label,
        proposed_labels=tuple(one.label for one in prediction.labels) if prediction.label_probabilities else None,
        proposed_entities=row.predicted_spans if len(row.words) else None,
        score=uncertainty,
        reason=f"{drawn} (uncertainty {uncertainty:.2f})",
    )


def _key(row: Example, cleaning: Cleaning) -> str:
    texts = (row.text, row.text_pair or "")
    return "\0".join(normalise(cleaning.text(text)) for text in texts)


def _rows(address: str, filter_: MongoFilter, recipe: Recipe) -> Iterator[Example]:
    # Documents of a tool that nobody has annotated are rows with a text.
    source = recipe.source.model_copy(update={"format": "rows"}) if recipe.source.is_of_tool else recipe.source
    reader = DocumentReader(source, needs_label=False, needs_entities=False)
    for document in window_documents(Window(address=address, filter=filter_), source, reader.field_names()):
        if not isinstance(document, InvalidRow):
            yield from reader.read(document)[0]


def _new(rows: Iterable[Example], keys: set[str], cleaning: Cleaning) -> Iterator[Example]:
    for row in rows:
        key = _key(row, cleaning)
        if key not in keys:
            keys.add(key)
            yield replace(row, id=added_id(row.text, row.text_pair))
