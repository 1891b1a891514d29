"""Labels that come back from annotation tools, each checked against the row that it is about."""

import glob
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assay.corpus.documents.annotators.decisions import (
    CELLS,
    PROPOSAL,
    ROW_ID,
    TABLE,
    decided_row,
    has_cells,
    is_renamed_table,
    is_table,
    is_untouched_task,
)
from assay.corpus.documents.annotators.doccano import is_doccano
from assay.corpus.documents.annotators.formula_cells import texts_of_cells
from assay.corpus.documents.annotators.recognised import READERS, recognised_format
from assay.corpus.documents.json_columns import JsonColumns
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.values import UnreadableError
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.overlay import Correction, Overlay, corrected
from assay.corpus.returned_annotations import by_text, check_sent_labels, returned_annotations
from assay.corpus.returned_decisions import RowDecision
from assay.corpus.returned_parts import ReadingRules
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import find_files, glob_files, read_files
from assay.corpus.sources.recognition import DEFAULT
from assay.corpus.storage.remote_files import is_remote


@dataclass
class ReturnedLabels:
    """The corrections of a file, and what became of its other rows.

    Nobody has decided about them, a newer decision about the same row is known or in the files, or they cannot be used.
    """

    tool: str
    corrections: list[Correction] = field(default_factory=list)
    undecided: int = 0
    older: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)

    @property
    def latest(self) -> Mapping[str, Correction]:
        """The last correction of each row, by its id."""
        return {correction.id: correction for correction in self.corrections}

    @property
    def counts(self) -> Counter[str]:
        """Number of rows by the last decision about them."""
        return Counter(correction.decision for correction in self.latest.values())


def read_documents(path: str, settings: FileSettings = DEFAULT) -> list[Document | InvalidRow]:
    """Return the documents of the files that a path or a glob names, of any kind that a recipe reads.

    Raises:
        AssayError: there is no such file, or it cannot be read.
    """
    if not is_remote(path) and not Path(path).expanduser().exists() and not glob_files(str(Path(path).expanduser())):
        raise AssayError(f"there is no file {path}; name the export of the annotation tool")
    return list(read_files(find_files({path: "all"}), settings))


def tool_of(
    documents: Sequence[Document | InvalidRow], path: str, named: str | None = None, id_field: str | None = None
) -> str:
    """Return which tool wrote documents.

    Args:
        documents: the documents.
        path: their file.
        named: the tool, if somebody knows it; else it is recognised.
        id_field: field of the rows' ids in a table; None is that of tasks.

    Raises:
        AssayError: none, or several may have written them, or nobody has seen them in a tool yet.
    """
    if not documents:
        raise AssayError(f"{path} holds no documents; export the project again")
    values = [document.values for document in documents if isinstance(document, Document)]
    if values and all(map(is_untouched_task, values)):
        raise AssayError(
            f"{path} holds tasks as assay labels wrote them, without a decision; name what the tool exports after "
            "people have decided"
        )
    if is_table(values, id_field):
        if named not in (None, TABLE):
            raise AssayError(f"{path} is a table of tasks that people fill in; leave --format out")
        return TABLE
    renamed = (
        f"{path} is a table of tasks in which columns were renamed; name them as in the tasks: {id_field or ROW_ID} "
        f"(or another one, by --id), and {', '.join(CELLS)} for decisions"
    )
    if named == TABLE and not any(map(has_cells, values)):
        raise AssayError(renamed)
    if named is not None:
        return named
    if (tool := recognised_format(values)) is not None:
        return tool
    # Documents without any label may be anybody's, but only tasks for doccano hold the proposal so.
    if values and all(is_doccano(value) and {ROW_ID, PROPOSAL} <= value.keys() for value in values):
        return "doccano"
    if is_renamed_table(values):
        raise AssayError(renamed)
    tools = ", ".join([*READERS, TABLE])
    raise AssayError(f"{path}: its content does not say which tool wrote it; name it with --format ({tools})")


def match_rows(
    documents: Iterable[Document | InvalidRow],
    tool: str,
    rows: Mapping[str, Example],
    overlay: Overlay,
    rules: ReadingRules,
    origin: Path,
) -> ReturnedLabels:
    """Return the corrections of documents, by row in the order of their first ones.

    Of several decisions of a person about a row, the last one counts, and people must agree as the recipe says.

    Args:
        documents: documents of an annotation tool.
        tool: the tool.
        rows: present rows of the recipe by id, as its source and earlier corrections label them.
        overlay: earlier corrections.
        rules: what the recipe reads and accepts.
        origin: file of the documents, or the glob that names several.
    """
    returned, latest, present = ReturnedLabels(tool), dict(overlay.latest), dict(rows)
    for name, same_row in _by_row(documents, tool, rules, returned).items():
        try:
            annotations, replaced = returned_annotations(same_row, tool, rules)
            if tool == TABLE and not annotations and name not in latest:
                check_sent_labels(same_row, present.get(name), rules)
        except UnreadableError as error:
            returned.rejected.append((name, str(error)))
            continue
        returned.older += replaced
        returned.undecided += not annotations
        for same_text in by_text(annotations):
            row, previous = present.get(name), latest.get(name)
            try:
                decision = RowDecision.read(same_text, tool, rules)
                if decision is not None and decision.is_older_than(previous, row):
                    returned.older += 1
                    continue
                correction = decision.correction(row, previous, _origin(decision, origin)) if decision else None
            except UnreadableError as error:
                returned.rejected.append((name, str(error)))
                continue
            if correction is None:
                returned.undecided += 1
                continue
            latest[correction.id] = correction
            if row is not None:
                present[row.id] = corrected(row, correction, rules.heads)
            returned.corrections.append(correction)
    return returned


def _with_texts(document: Document) -> Document:
    return replace(document, values=texts_of_cells(document.values))


def _by_row(
    documents: Iterable[Document | InvalidRow], tool: str, rules: ReadingRules, returned: ReturnedLabels
) -> dict[str, list[Document]]:
    """Return the documents about each row; those that cannot be read are rejected."""
    columns, rows = JsonColumns(tool, rules.source.fields), dict[str, list[Document]]()
    for item in documents:
        if isinstance(item, InvalidRow):
            returned.rejected.append((item.id, item.reason))
            continue
        try:
            document = columns.decoded(_with_texts(item) if tool == TABLE else item)
        except UnreadableError as error:
            returned.rejected.append((item.position, str(error)))
            continue
        rows.setdefault(_named(document, rules), []).append(document)
    return rows


def _origin(decision: RowDecision, origin: Path) -> str:
    """Return the name of the file that holds a decision; of several files, without its extension."""
    return decision.position.rpartition(":")[0] if glob.has_magic(origin.name) else origin.name


def _named(document: Document, rules: ReadingRules) -> str:
    """Return the id of the row that a document is about; its place in the file where it has none."""
    try:
        return decided_row(document.values, rules.id_field)
    except UnreadableError:
        return document.position
