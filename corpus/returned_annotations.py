"""What each person says about a row in the documents that come back about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from assay.corpus.documents.annotators.annotated_row import AnnotatedRow, Values
from assay.corpus.documents.annotators.authorship import last_of_each_person, time_of
from assay.corpus.documents.annotators.decisions import TABLE, as_sent, decided_by, read_decision
from assay.corpus.documents.annotators.several_people import by_person, of_each_person
from assay.corpus.documents.raw_document import Document
from assay.corpus.documents.values import MISSING, UnreadableError, plain_text
from assay.corpus.example import Example
from assay.corpus.returned_parts import Parts, ReadingRules, read_parts


@dataclass(frozen=True)
class ReturnedAnnotation:
    """What one person says about a row.

    Attributes:
        document: the document that holds it.
        values: the part of its values that is of this person.
        row: text and labels, as the tool wrote them.
        person: who it was; None if the tool does not say it.
        at: when; None if the tool does not say it.
    """

    document: Document
    values: Values
    row: AnnotatedRow
    person: str | None
    at: datetime | None


def returned_annotations(
    documents: Sequence[Document], tool: str, rules: ReadingRules
) -> tuple[list[ReturnedAnnotation], int]:
    """Return what people say about a row, and the number of their decisions that later ones of theirs replace.

    Args:
        documents: all documents of a file about the row.
        tool: the tool.
        rules: what the recipe reads.

    Raises:
        UnreadableError: an annotation cannot be represented, or people differ about a question.
    """
    single = [(document, own) for document in documents for own in of_each_person([document.values], tool)]
    if tool == TABLE:
        lines = _found(_read(document, own, tool, rules) for document, own in single)
        return lines, _replaced_lines(lines)
    last = {id(own) for own in by_person([own for _, own in single], tool, rules.source.annotations)}
    annotations = _found(_read(document, own, tool, rules) for document, own in single if id(own) in last)
    earlier = [(document, own) for document, own in single if id(own) not in last]
    return annotations, sum(_is_replaced(document, own, annotations, tool, rules) for document, own in earlier)


def check_sent_labels(documents: Sequence[Document], row: Example | None, rules: ReadingRules) -> None:
    """Check that nobody has written a decision about a row over its labels as they were sent in a table.

    Raises:
        UnreadableError: the labels differ from those of the row.
    """
    for document in documents:
        sent = as_sent(document.values)
        values = read_decision(sent, TABLE, rules.needs(sent, TABLE))
        if values is None:
            continue
        text = plain_text(values.text, "text")
        said, known = read_parts(values, text, sent, TABLE, rules).parts, Parts.of(row)
        for name, part in said.unlike(known)._asdict().items():
            if part is not None:
                raise UnreadableError(f"{name} differs from that of the row", document.values[name])


def by_text(annotations: Iterable[ReturnedAnnotation]) -> list[list[ReturnedAnnotation]]:
    """Return annotations in groups of the same text: that of a row may have changed between two of them."""
    groups: dict[str, list[ReturnedAnnotation]] = {}
    for annotation in annotations:
        groups.setdefault(repr(annotation.row.text), []).append(annotation)
    return list(groups.values())


def _found(annotations: Iterable[ReturnedAnnotation | None]) -> list[ReturnedAnnotation]:
    return [annotation for annotation in annotations if annotation is not None]


def _read(document: Document, values: Values, tool: str, rules: ReadingRules) -> ReturnedAnnotation | None:
    row = read_decision(values, tool, rules.needs(document.values, tool))
    return None if row is None else ReturnedAnnotation(document, values, row, decided_by(values, tool), time_of(values))


def _is_replaced(
    document: Document, values: Values, last: Sequence[ReturnedAnnotation], tool: str, rules: ReadingRules
) -> bool:
    """Return whether a person says something else than before; the same file may be named twice."""
    try:
        earlier = _read(document, values, tool, rules)
    except UnreadableError:
        return True
    return earlier is not None and all(one.row != earlier.row for one in last if one.person == earlier.person)


def _replaced_lines(lines: Sequence[ReturnedAnnotation]) -> int:
    """Return the number of lines of a table with a part that a later line of the same person decides otherwise.

    A line without an author is of the user, as any other of them.
    """
    replaced: set[int] = set()
    for part in ("label", "labels", "entities"):
        said = {number: value for number, one in enumerate(lines) if (value := getattr(one.row, part)) is not MISSING}
        last = last_of_each_person(said, lambda number: (lines[number].person,), lambda number: lines[number].at)
        last_of = {lines[number].person: said[number] for number in last}
        replaced.update(number for number, value in said.items() if value != last_of[lines[number].person])
    return len(replaced)
