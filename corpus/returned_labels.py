"""Labels that come back from annotation tools, each checked against the row that it is about."""

import getpass
import glob
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.corpus.documents.annotators.annotated_row import Annotation, agreed
from assay.corpus.documents.annotators.authorship import last_of_each_person
from assay.corpus.documents.annotators.decisions import (
    PROPOSAL,
    ROW_ID,
    SILENT_TOOLS,
    TABLE,
    decided_at,
    decided_by,
    decided_row,
    is_table,
    is_untouched_task,
    labels_digest_of,
    read_decision,
)
from assay.corpus.documents.annotators.doccano import is_doccano
from assay.corpus.documents.annotators.recognised import READERS, recognised_format
from assay.corpus.documents.annotators.several_people import by_person, joined
from assay.corpus.documents.fields import AnnotationRules
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.values import UnreadableError, plain_text
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.overlay import ADDED, AddedText, Correction, Overlay, added_id, corrected, text_digest
from assay.corpus.returned_parts import Parts, ReadingRules, read_parts, text_pair_of
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import find_files, glob_files, read_files
from assay.corpus.sources.recognition import DEFAULT
from assay.corpus.storage.remote_files import is_remote


@dataclass
class ReturnedLabels:
    """The corrections of a file, and what became of its other rows.

    Nobody has decided about them, the decision is older than a known one, or it cannot be used.
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


def tool_of(documents: Sequence[Document | InvalidRow], path: str, named: str | None = None) -> str:
    """Return which tool wrote documents.

    Args:
        documents: the documents.
        path: their file.
        named: the tool, if somebody knows it; else it is recognised.

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
    if is_table(values):
        if named not in (None, TABLE):
            raise AssayError(f"{path} is a table of tasks that people fill in; leave --format out")
        return TABLE
    if named is not None:
        return named
    if (tool := recognised_format(values)) is not None:
        return tool
    # Documents without any label may be anybody's, but only tasks for doccano hold the proposal so.
    if values and all(is_doccano(value) and {ROW_ID, PROPOSAL} <= value.keys() for value in values):
        return "doccano"
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
    """Return the corrections of documents, in their order; each document meets the corrections of those before it.

    Args:
        documents: documents of an annotation tool.
        tool: the tool.
        rows: present rows of the recipe by id, as its source and earlier corrections label them.
        overlay: earlier corrections.
        rules: what the recipe reads and accepts.
        origin: file of the documents, or the glob that names several.
    """
    returned, latest, present = ReturnedLabels(tool), dict(overlay.latest), dict(rows)
    items = list(documents)
    for document in joined(lambda: items, tool, rules.source.fields):
        if isinstance(document, InvalidRow):
            returned.rejected.append((document.id, document.reason))
            continue
        name = _named(document, rules)
        try:
            decision = _Decision.read(document, tool, rules)
            if decision is None:
                returned.undecided += 1
                continue
            row = present.get(name)
            if decision.is_older_than(latest.get(name), row):
                returned.older += 1
                continue
            correction = decision.correction(row, latest.get(name), _origin(document, origin))
        except UnreadableError as error:
            returned.rejected.append((name, str(error)))
            continue
        if correction is None:
            returned.undecided += 1
        else:
            latest[correction.id] = correction
            if row is not None:
                present[row.id] = corrected(row, correction, rules.heads)
            returned.corrections.append(correction)
    return returned


def _origin(document: Document, origin: Path) -> str:
    """Return the name of the file that holds a document; of several files, without its extension."""
    return document.position.rpartition(":")[0] if glob.has_magic(origin.name) else origin.name


def _named(document: Document, rules: ReadingRules) -> str:
    """Return the id of the row that a document is about; its place in the file where it has none."""
    try:
        return decided_row(document.values, rules.id_field)
    except UnreadableError:
        return document.position


@dataclass(frozen=True)
class _Decision:
    """What a person decided about a row."""

    row_id: str
    text: str
    text_pair: str | None
    parts: Parts
    author: str
    at: datetime
    is_dated: bool
    is_silent: bool

    @classmethod
    def read(cls, document: Document, tool: str, rules: ReadingRules) -> "_Decision | None":
        """Return the decision about a row; of several people, the one that counts.

        Raises:
            UnreadableError: it cannot be represented, or people disagree.
        """
        agreement = rules.source.annotations
        documents: Sequence[Mapping[str, Any]] = [document.values, *document.others]
        if document.others and tool != TABLE:
            documents = by_person(documents, tool, agreement)
        found = [one for values in documents if (one := cls._of(values, tool, rules)) is not None]
        if not found:
            return None
        decision = _joined(found, agreement) if tool == TABLE else _agreed(found, agreement)
        return None if decision.parts == Parts() else decision

    @property
    def said_at(self) -> datetime | None:
        """When this was decided, if the tool says it."""
        return self.at if self.is_dated else None

    @classmethod
    def _of(cls, values: Mapping[str, Any], tool: str, rules: ReadingRules) -> "_Decision | None":
        """Return the decision of a document, whose parts are empty if a person chose what means no label."""
        row = read_decision(values, tool, rules.needs(values, tool))
        if row is None:
            return None
        text = plain_text(row.text, "text")
        parts = read_parts(row, text, values, tool, rules)
        if parts is None or (tool in SILENT_TOOLS and labels_digest_of(values) == parts.digest):
            return None  # as it was sent, whatever others have decided since
        dated = decided_at(values, rules.source.annotations)
        return cls(
            row_id=decided_row(values, rules.id_field),
            text=text,
            text_pair=text_pair_of(values, tool, rules),
            parts=parts,
            author=decided_by(values, rules.source.annotations) or rules.author or _user_of_this_computer(),
            at=dated or datetime.now(UTC),
            is_dated=dated is not None,
            is_silent=tool in SILENT_TOOLS,
        )

    def is_older_than(self, previous: Correction | None, row: Example | None) -> bool:
        """Return whether the tool says that this was decided before an earlier correction of the same text.

        An export holds everything that was ever decided in a project, so that an old one comes back after newer ones.
        """
        if previous is None or not self.is_dated or self.at >= previous.at:
            return False
        # Tools do not keep the second text of a pair, the row does.
        return previous.text_digest == text_digest(self.text, self.text_pair if row is None else row.text_pair)

    def correction(self, row: Example | None, previous: Correction | None, origin: str) -> Correction | None:
        """Return the correction of a row; None if it says nothing new.

        Raises:
            UnreadableError: there is no such row, or it has another text.
        """
        fixed = {"author": self.author, "at": self.at, "origin": origin}
        if row is None:
            return self._addition(previous, fixed)
        if row.text != self.text:
            raise UnreadableError("text is not that of the row, which may have changed since", self.text)
        if self.text_pair is not None and row.text_pair != self.text_pair:
            raise UnreadableError("text_pair is not that of the row, which may have changed since", self.text_pair)
        changed = self.parts.unlike(Parts.of(row))
        digest = text_digest(row.text, row.text_pair)
        earlier = previous if previous is not None and previous.text_digest == digest else None
        if changed == Parts():
            if self.is_silent or (earlier is not None and earlier.author == self.author):
                return None
            decision = earlier.decision if earlier is not None else "confirmed"
        else:
            decision = "corrected" if earlier is None or earlier.added is None else "added"
        return Correction(
            id=row.id,
            decision=decision,
            **changed.over(Parts.of(earlier))._asdict(),
            text_digest=digest,
            added=earlier.added if earlier else None,
            **fixed,  # type: ignore[arg-type]  # names of fields
        )

    def _addition(self, previous: Correction | None, fixed: Mapping[str, Any]) -> Correction | None:
        """Return a row that the source does not hold, whose id is made from its text."""
        if not self.row_id.startswith(ADDED):
            raise UnreadableError("there is no such row")
        if self.row_id != added_id(self.text, self.text_pair):
            raise UnreadableError("text is not that of the task", self.text)
        if self.is_silent and self.parts.are_empty:
            return None  # as it was sent
        known = Parts.of(previous)
        parts = self.parts.over(known)
        if previous is not None and parts == known:
            return None
        return Correction(
            id=self.row_id,
            decision="added",
            **parts._asdict(),
            text_digest=text_digest(self.text, self.text_pair),
            added=AddedText(text=self.text, text_pair=self.text_pair),
            **fixed,
        )


def _agreed(decisions: Sequence[_Decision], rules: AnnotationRules) -> _Decision:
    """Return the decision of several people that counts.

    Raises:
        UnreadableError: they disagree.
    """
    parts = agreed([Annotation(one.parts, one.said_at, one.author) for one in decisions], rules)
    return max((one for one in decisions if one.parts == parts), key=lambda one: one.at)


def _user_of_this_computer() -> str:
    """Return the name of the user.

    Raises:
        AssayError: the user has none, as in a container that runs under a number alone.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        raise AssayError(
            "the export does not say who decided, and the user of this computer has no name; pass --author NAME, or "
            "set the environment variable USER"
        ) from None


def _joined(decisions: Sequence[_Decision], rules: AnnotationRules) -> _Decision:
    """Return one decision of those that the lines of a table hold about a row.

    An empty cell says nothing. Of several lines of a person, the last one counts that fills in a cell.

    Raises:
        UnreadableError: people disagree.
    """
    parts = [_agreed_part(decisions, number, rules) for number in range(len(Parts._fields))]
    last = max(enumerate(decisions), key=lambda item: (item[1].at, item[0]))[1]
    return replace(last, parts=Parts(*parts))


def _agreed_part(decisions: Sequence[_Decision], number: int, rules: AnnotationRules) -> Any:
    said = [one for one in decisions if one.parts[number] is not None]
    latest = last_of_each_person(said, lambda one: one.author, lambda one: one.said_at)
    return agreed([Annotation(one.parts[number], one.said_at, one.author) for one in latest], rules) if latest else None
