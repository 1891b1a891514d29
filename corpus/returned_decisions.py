"""What a person decided about a row, and what counts of the decisions of several people."""

import getpass
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from assay.corpus.documents.annotators.annotated_row import Annotation, agreed, counting, saying_something
from assay.corpus.documents.annotators.authorship import last_of_each_person
from assay.corpus.documents.annotators.decisions import SILENT_TOOLS, TABLE, decided_row, labels_digest_of
from assay.corpus.documents.fields import AnnotationRules
from assay.corpus.documents.values import UnreadableError, plain_text
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.overlay import ADDED, AddedText, Correction, added_id, text_digest
from assay.corpus.returned_annotations import ReturnedAnnotation
from assay.corpus.returned_parts import Parts, ReadingRules, Said, read_parts, text_pair_of

# Tools in which an annotation without a class was submitted like any other.
_OPEN_IS_SAID = ("label_studio",)


@dataclass(frozen=True)
class RowDecision:
    """What a person decided about a row; `position` is the place of its document in the files."""

    position: str
    row_id: str
    text: str
    text_pair: str | None
    said: Said
    person: str | None
    author: str
    at: datetime
    is_dated: bool
    is_silent: bool

    @classmethod
    def read(cls, annotations: list[ReturnedAnnotation], tool: str, rules: ReadingRules) -> "RowDecision | None":
        """Return the decision about a row; of several people, the one that counts.

        Args:
            annotations: what people say about the same text of the row.
            tool: the tool.
            rules: what the recipe reads and accepts.

        Raises:
            UnreadableError: it cannot be represented, or people disagree.
        """
        agreement = rules.source.annotations
        found = cls._of_each(annotations if tool == TABLE else _counting(annotations, tool, rules), tool, rules)
        if not found:
            return None
        decision = _of_lines(found, agreement) if tool == TABLE else _of_people(found, agreement)
        return None if decision.parts == Parts() else decision

    @property
    def parts(self) -> Parts:
        """What the heads learn of the row."""
        return self.said.parts

    @property
    def said_at(self) -> datetime | None:
        """When this was decided, if the tool says it."""
        return self.at if self.is_dated else None

    @classmethod
    def _of_each(cls, annotations: Iterable[ReturnedAnnotation], tool: str, rules: ReadingRules) -> "list[RowDecision]":
        """Return the decision of each annotation that says something."""
        found = (cls._of(annotation, tool, rules) for annotation in annotations)
        return [one for one in found if one is not None]

    @classmethod
    def _of(cls, annotation: ReturnedAnnotation, tool: str, rules: ReadingRules) -> "RowDecision | None":
        """Return the decision of an annotation; None if nothing was decided."""
        values = annotation.document.values
        text = plain_text(annotation.row.text, "text")
        said = read_parts(annotation.row, text, values, tool, rules)
        if said == Said() and tool not in _OPEN_IS_SAID:
            return None
        if tool in SILENT_TOOLS and labels_digest_of(values) == said.parts.digest:
            return None  # as it was sent, whatever others have decided since
        return cls(
            position=annotation.document.position,
            row_id=decided_row(values, rules.id_field),
            text=text,
            text_pair=text_pair_of(values, tool, rules),
            said=said,
            person=annotation.person,
            author=annotation.person or rules.author or _user_of_this_computer(),
            at=annotation.at or datetime.now(UTC),
            is_dated=annotation.at is not None,
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


def _counting(annotations: list[ReturnedAnnotation], tool: str, rules: ReadingRules) -> Sequence[ReturnedAnnotation]:
    """Return the annotations that are to be read: what does not count may be of any kind."""
    agreement = rules.source.annotations
    if "sentence" in rules.heads:
        annotations = saying_something(annotations, agreement, lambda one: one.row.says_nothing)
    # Which documents of a silent tool somebody has looked at is known only after they are read.
    return annotations if tool in SILENT_TOOLS else counting(annotations, agreement, lambda one: one.at)


def _of_people(decisions: Sequence[RowDecision], rules: AnnotationRules) -> RowDecision:
    """Return the decision of several people that counts.

    Raises:
        UnreadableError: they disagree.
    """
    said = agreed([Annotation(one.said, one.said_at, one.person) for one in decisions], rules, decisions[0].text)
    return max((one for one in decisions if one.said == said), key=lambda one: one.at)


def _of_lines(decisions: Sequence[RowDecision], rules: AnnotationRules) -> RowDecision:
    """Return one decision of those that the lines of a table hold about a row.

    An empty cell says nothing. Of several lines of a person, the last one counts that fills in a cell.

    Raises:
        UnreadableError: people disagree.
    """
    said = [_agreed_part(decisions, number, rules) for number in range(len(Said._fields))]
    last = max(enumerate(decisions), key=lambda item: (item[1].at, item[0]))[1]
    return replace(last, said=Said(*said))


def _agreed_part(decisions: Sequence[RowDecision], number: int, rules: AnnotationRules) -> Any:
    speaking = [one for one in decisions if one.said[number] is not None]
    latest = last_of_each_person(speaking, lambda one: one.author, lambda one: one.said_at)
    return agreed([Annotation(one.said[number], one.said_at, one.author) for one in latest], rules) if latest else None


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
