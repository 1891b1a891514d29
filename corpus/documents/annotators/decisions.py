"""What people decided about rows, read from the exports of annotation tools: by whom, when, and about which row.

The labels themselves are read as those of a source (`recognised.READERS`).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from assay.corpus.documents.annotators.annotated_row import AnnotatedRow, Needs, Values
from assay.corpus.documents.annotators.recognised import READERS
from assay.corpus.documents.values import MISSING, UnreadableError, get_path, iso_time

ROW_ID = "row_id"
# A table of tasks, in which people fill in these columns.
TABLE = "csv"
NEW_LABEL, NEW_ENTITIES = _CELLS = "new_label", "new_entities"
ENTITIES_EXAMPLE = '[[0, 4, "ORG"]]'
# Where each tool keeps the id that a task was given, the most specific place first.
_ID_PATHS = (f"data.{ROW_ID}", f"metadata.{ROW_ID}", f"meta.{ROW_ID}", ROW_ID)
_AUTHORS = ("author", "annotator", "_annotator_id", "_session_id", "username")
_TIMES = ("updated_at", "created_at", "_timestamp")
# The tools in which nobody can tell a document that a person has looked at from any other.
SILENT_TOOLS = ("doccano", "spacy")


def is_table(documents: Sequence[Values]) -> bool:
    """Return whether documents are rows of a table of tasks."""
    return bool(documents) and all(
        ROW_ID in document and (NEW_LABEL in document or NEW_ENTITIES in document) for document in documents
    )


def read_decision(document: Values, tool: str, needs: Needs) -> AnnotatedRow | None:
    """Return what a person decided about a row; None if nobody has.

    Args:
        document: a document of the tool, or a row of a table.
        tool: a key of `READERS`, or `TABLE`.
        needs: the parts that a recipe reads.

    Raises:
        UnreadableError: it cannot be represented, or people disagree.
    """
    return _row_of_table(document, needs) if tool == TABLE else READERS[tool](document, needs)


def decided_row(document: Values, named: str | None) -> str:
    """Return the id of the row that a document is about.

    Args:
        document: a document of a tool.
        named: field of the id; None looks where tasks keep it.

    Raises:
        UnreadableError: there is none.
    """
    for name in _ID_PATHS if named is None else (named, f"data.{named}", f"metadata.{named}", f"meta.{named}"):
        if (value := get_path(document, name)) not in (MISSING, None, ""):
            return str(value)
    if named is None and isinstance(document.get("fields"), Mapping) and document.get("id"):
        return str(document["id"])  # a record of Argilla
    raise UnreadableError(f"{named or ROW_ID} is missing")


def decided_by(document: Values) -> str | None:
    """Return who decided, as the tool says; None if it does not."""
    for annotation in reversed(_objects(document.get("annotations"))):
        if (person := _person(annotation.get("completed_by"))) is not None:
            return person
    responses = document.get("responses")
    for to_question in responses.values() if isinstance(responses, Mapping) else ():
        for response in _objects(to_question):
            if (person := _person(response.get("user_id"))) is not None:
                return person
    return next((str(document[name]) for name in _AUTHORS if document.get(name)), None)


def decided_at(document: Values) -> datetime | None:
    """Return when a document was decided about, as the tool says; None if it does not."""
    annotations = _objects(document.get("annotations"))
    for values in (*reversed(annotations), document):
        for name in _TIMES:
            if values.get(name) and (time := _time(values[name])) is not None:
                return time
    return None


def _row_of_table(document: Values, needs: Needs) -> AnnotatedRow | None:
    # 0 is a class, and [] says that there are no entities.
    label, entities = (MISSING if document.get(name) in (None, "") else document[name] for name in _CELLS)
    if label is MISSING and entities is MISSING:
        return None
    if entities is not MISSING:
        entities = _entities_of_cell(entities)
    return AnnotatedRow(
        document.get("text", MISSING), label if needs.label else MISSING, entities if needs.entities else MISSING
    )


def _entities_of_cell(cell: Any) -> list[dict[str, Any]]:
    """Return the entities of a cell: text in a table of text, a list in JSON lines and Parquet."""
    try:
        items = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, list) and len(item) == 3 for item in items):
        raise UnreadableError(f"{NEW_ENTITIES} is not a list like {ENTITIES_EXAMPLE}", cell)
    return [dict(zip(("start", "end", "label"), item, strict=True)) for item in items]


def _person(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("username") or value.get("id")
    return None if value in (None, "") else str(value)


def _time(value: Any) -> datetime | None:
    try:
        text = iso_time(value, "")
        time = None if text is None else datetime.fromisoformat(text)
    except (UnreadableError, ValueError):
        return None
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)


def _objects(items: Any) -> list[Values]:
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
