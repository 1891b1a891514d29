"""What people decided about rows, read from the exports of annotation tools: by whom, when, and about which row.

The labels themselves are read as those of a source (`recognised.READERS`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from assay.corpus.documents.annotators.annotated_row import AnnotatedRow, Needs, Values, several_labels
from assay.corpus.documents.annotators.argilla import submitted_responses
from assay.corpus.documents.annotators.authorship import person_of
from assay.corpus.documents.annotators.recognised import READERS
from assay.corpus.documents.values import MISSING, UnreadableError, get_path, row_id

ROW_ID = "row_id"
# In documents of doccano: the proposal of the model, and the digest of the labels that the document was sent with.
PROPOSAL, LABELS_DIGEST = "proposal", "labels_digest"
# A table of tasks, in which people fill in these columns.
TABLE = "csv"
NEW_LABEL, NEW_LABELS, NEW_ENTITIES = CELLS = "new_label", "new_labels", "new_entities"
# A question for records of Argilla that must be answered where all others may be left open, and its options.
REVIEW = "reviewed"
REVIEWED, UNSURE = "yes", "unsure"
ENTITIES_EXAMPLE = '[[0, 4, "ORG"]]'
LABELS_EXAMPLE = '["money", "sport"], or money; sport'
LABEL_SEPARATOR = ";"
# Where each tool keeps the id that a task was given, the most specific place first.
_ID_PATHS = (f"data.{ROW_ID}", f"task.data.{ROW_ID}", f"metadata.{ROW_ID}", f"meta.{ROW_ID}", ROW_ID)
_AUTHORS = ("completed_by", "author", "annotator", "_annotator_id", "_session_id", "username")
_PRODIGY = {"answer", "_input_hash", "_task_hash", "_timestamp"}  # what Prodigy adds to a task
# The tools in which nobody can tell a document that a person has looked at from any other.
SILENT_TOOLS = ("doccano", "spacy")


def is_table(documents: Sequence[Values], id_field: str | None = None) -> bool:
    """Return whether documents are rows of a table of tasks; `id_field` names the row's id, None that of tasks."""
    return bool(documents) and all((id_field or ROW_ID) in document and has_cells(document) for document in documents)


def has_cells(document: Values) -> bool:
    """Return whether a document has a column of a table of tasks for decisions."""
    return not document.keys().isdisjoint(CELLS)


def is_renamed_table(documents: Sequence[Values]) -> bool:
    """Return whether documents are rows of a table of tasks in which columns were renamed, such as `New Label`."""
    names = {str(name).strip().lower().replace(" ", "_") for document in documents for name in document}
    return not names.isdisjoint((*CELLS, *(cell.replace("new", "proposed", 1) for cell in CELLS)))


def as_sent(document: Values) -> Values:
    """Return a row of a table as if its labels as they were sent were the decision."""
    sent = {cell: document.get(cell.removeprefix("new_")) for cell in CELLS}
    return {**document, **sent}


def read_decision(document: Values, tool: str, needs: Needs) -> AnnotatedRow | None:
    """Return what a person decided about a row; None if nobody has.

    Args:
        document: a document of the tool about the decision of one person, or a row of a table.
        tool: a key of `READERS`, or `TABLE`.
        needs: the parts that a recipe reads.

    Raises:
        UnreadableError: it cannot be represented.
    """
    if tool == TABLE:
        return _row_of_table(document, needs)
    if tool == "argilla" and (reviews := reviews_of(document)) and REVIEWED not in reviews:
        return None
    return READERS[tool](document, needs)


def reviews_of(document: Values) -> list[Any]:
    """Return the responses to the question whether somebody has reviewed a record of Argilla."""
    return [one.value for one in submitted_responses(document).get(REVIEW, [])]


def is_untouched_task(document: Values) -> bool:
    """Return whether a document is a task for Label Studio or Prodigy as Assay wrote it, which nobody has imported.

    Those for other tools come back in the same form, with or without a decision.
    """
    of_label_studio = get_path(document, f"data.{ROW_ID}") is not MISSING and document.keys() == {"data", "predictions"}
    return of_label_studio or ({ROW_ID, "meta"} <= document.keys() and _PRODIGY.isdisjoint(document))


def is_task_of_assay(document: Values) -> bool:
    """Return whether a document carries the id of a row where tasks of `assay labels` keep it."""
    return any(get_path(document, name) not in (MISSING, None, "") for name in _ID_PATHS)


def decided_row(document: Values, named: str | None) -> str:
    """Return the id of the row that a document is about.

    Args:
        document: a document of a tool.
        named: field of the id; None looks where tasks keep it.

    Raises:
        UnreadableError: there is none.
    """
    places = ("", "data.", "task.data.", "metadata.", "meta.")
    for name in _ID_PATHS if named is None else [place + named for place in places]:
        if (value := get_path(document, name)) not in (MISSING, None, ""):
            return row_id(value, name)
    if named is None and isinstance(document.get("fields"), Mapping) and document.get("id"):
        return row_id(document["id"], "id")  # a record of Argilla
    raise UnreadableError(f"{named or ROW_ID} is missing")


def labels_digest_of(document: Values) -> str | None:
    """Return the digest of the labels that a document was sent to a silent tool with; None if it does not say."""
    found = (get_path(document, place + LABELS_DIGEST) for place in ("", "metadata.", "meta."))
    return next((digest for digest in found if isinstance(digest, str)), None)


def decided_by(document: Values, tool: str) -> str | None:
    """Return who made the decision of a document of one person, as the tool says; None if it does not."""
    respondents = (one.user for given in submitted_responses(document).values() for one in given)
    people = respondents if tool == "argilla" else (document.get(name) for name in _AUTHORS)
    return next((person for value in people if (person := person_of(value)) is not None), None)


def _row_of_table(document: Values, needs: Needs) -> AnnotatedRow | None:
    # 0 is a class, and [] says that there are no entities, or that no label applies.
    label, labels, entities = (MISSING if is_empty(document.get(name)) else document[name] for name in CELLS)
    if label is MISSING and labels is MISSING and entities is MISSING:
        return None
    return AnnotatedRow(
        document.get("text", MISSING),
        label if needs.label else MISSING,
        _entities_of_cell(entities) if needs.entities and entities is not MISSING else MISSING,
        _labels_of_cell(labels) if needs.labels and labels is not MISSING else MISSING,
    )


def is_empty(cell: Any) -> bool:
    """Return whether nobody has filled in a cell; white space is easily left behind."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _labels_of_cell(cell: Any) -> list[Any]:
    """Return the labels of a cell: a list, also as text, or names with a separator between them."""
    if isinstance(cell, str) and not cell.strip().startswith("["):
        return several_labels(name.strip() for name in cell.split(LABEL_SEPARATOR) if name.strip())
    try:
        items = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        items = None
    if not isinstance(items, list):
        raise UnreadableError(f"{NEW_LABELS} is not a list like {LABELS_EXAMPLE}", cell)
    return several_labels(items)


def _entities_of_cell(cell: Any) -> list[dict[str, Any]]:
    """Return the entities of a cell: text in a table of text, a list in JSON lines and Parquet."""
    try:
        items = json.loads(cell) if isinstance(cell, str) else cell
    except ValueError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, list) and len(item) == 3 for item in items):
        raise UnreadableError(f"{NEW_ENTITIES} is not a list like {ENTITIES_EXAMPLE}", cell)
    return [dict(zip(("start", "end", "label"), item, strict=True)) for item in items]
