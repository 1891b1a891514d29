"""Annotations of one text by several people, which some tools export as documents of their own, others in one."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from assay.corpus.documents.annotators.annotated_row import Annotation, Values, agreed
from assay.corpus.documents.annotators.argilla import records_of_people
from assay.corpus.documents.annotators.authorship import last_of_each_person, time_of
from assay.corpus.documents.annotators.decisions import decided_by
from assay.corpus.documents.annotators.doccano import text_of
from assay.corpus.documents.annotators.label_studio import annotations_of, is_full_task, stored_task
from assay.corpus.documents.fields import AnnotationRules, Fields
from assay.corpus.documents.json_columns import JsonColumns
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.values import UnreadableError, get_path

Item = Document | InvalidRow
# Tools that export a document per person: Label Studio in its flat forms and in a storage, Prodigy, and doccano, which
# writes a file for each.
BY_PERSON = ("label_studio", "prodigy", "doccano")
# Answers of Prodigy to what a text is; the other one passes over it.
DECIDED = frozenset(("accept", "reject"))
# Tools whose documents hold the annotations of several people, and what returns those of each as a document.
_SPLIT: Mapping[str, Callable[[Values], list[Values]]] = {
    "label_studio": annotations_of,
    "argilla": records_of_people,
}


def joined(read: Callable[[], Iterable[Item]], tool: str, fields: Fields) -> Iterator[Item]:
    """Yield documents, of which those about one text are one: the first, with the others of them.

    Documents of different splits stay apart: a published test row is no other person's view of a training row. Memory
    holds a number per text, and the documents that wait for other people: where each has a file, all of the first. A
    document that a database receives between the two readings may come on its own.

    Args:
        read: reads the documents from their start; it is called twice for tools that export a document per person.
        tool: format of the documents; those of most formats are yielded as they are.
        fields: names of the fields; those of text and split say which documents belong together.
    """
    if tool not in BY_PERSON:
        yield from read()
        return
    key_of = partial(_key, tool=tool, fields=fields, columns=JsonColumns(tool, fields))
    counts = _documents_of_several(read, key_of)
    waiting: dict[int, list[Document]] = {}
    for item in read():
        key = key_of(item)
        if key is None or key not in counts or isinstance(item, InvalidRow):
            yield item
            continue
        documents = waiting.setdefault(key, [])
        documents.append(item)
        if len(documents) == counts[key]:
            yield _as_one(waiting.pop(key))
    yield from map(_as_one, waiting.values())  # of which a database has lost some since they were counted


def of_each_person(documents: Iterable[Values], tool: str) -> list[Values]:
    """Return documents of one person each, of which there are several where a document holds several annotations.

    Raises:
        UnreadableError: the annotations of a document cannot be read.
    """
    split = _SPLIT.get(tool)
    return list(documents) if split is None else [own for document in documents for own in split(document)]


def by_person(documents: Iterable[Values], tool: str, rules: AnnotationRules) -> list[Values]:
    """Return the last document of each person, in the order of their first ones; those of nobody in particular stay.

    Prodigy may ask a person several questions about a text: the last document of each question is returned. Of a
    question that one person accepts and another rejects, only the answer that counts is.

    Raises:
        UnreadableError: people differ about a question, and the rules reject that, or the annotations cannot be read.
    """

    def decision(document: Values) -> Hashable | None:
        person = decided_by(document, tool)
        return None if person is None else (person, _question(document) if tool == "prodigy" else None)

    latest = last_of_each_person(of_each_person(documents, tool), decision, time_of)
    return _with_one_answer(latest, rules) if tool == "prodigy" else latest


def _with_one_answer(documents: Sequence[Values], rules: AnnotationRules) -> list[Values]:
    """Return the documents, less the answers that do not count of questions that are both accepted and rejected."""
    answers: dict[str, list[Annotation[str]]] = {}
    for document in documents:
        if (answer := document.get("answer")) in DECIDED:
            given = Annotation(str(answer), time_of(document), decided_by(document, "prodigy"))
            answers.setdefault(_question(document), []).append(given)
    counting = {question: agreed(given, rules) for question, given in answers.items()}
    return [
        one for one in documents if (answer := one.get("answer")) not in DECIDED or answer == counting[_question(one)]
    ]


def _documents_of_several(read: Callable[[], Iterable[Item]], key_of: Callable[[Item], int | None]) -> dict[int, int]:
    """Return the number of documents about each text that has several."""
    counts = Counter(map(key_of, read()))
    return {key: count for key, count in counts.items() if key is not None and count > 1}


def _as_one(documents: Sequence[Document]) -> Document:
    first, *others = documents
    return replace(first, others=tuple(document.values for document in others))


def _question(document: Values) -> str:
    """Return what Prodigy asked about the text: the number of the task, or the label of a binary question."""
    name = document.get("_task_hash")
    return repr(document.get("label") if name is None else name)


def _key(item: Item, tool: str, fields: Fields, columns: JsonColumns) -> int | None:
    """Return a number that documents about one text have in common; None for a document that stands alone."""
    if isinstance(item, InvalidRow) or item.filtered:
        return None
    try:
        values = columns.decoded(item).values
    except UnreadableError:
        return None
    number = values.get("_input_hash" if tool == "prodigy" else "id")
    content = text_of(values, fields.text) if tool == "doccano" else get_path(values, fields.text)
    if tool == "label_studio" and is_full_task(values):
        task = stored_task(values) or {}
        number, content = task.get("id"), get_path(task, f"data.{fields.text}")
    if number is None:
        return None
    split = get_path(values, fields.split) if fields.split else item.split_name
    return hash((repr(number), repr(content), repr(split)))
