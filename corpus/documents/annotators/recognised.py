"""The tools whose documents are read, and which of them wrote the documents of a sample."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.corpus.documents.annotators.annotated_row import AnnotatedRow, Needs, Values
from assay.corpus.documents.annotators.argilla import is_argilla, read_argilla
from assay.corpus.documents.annotators.doccano import has_numbers, is_doccano, read_doccano
from assay.corpus.documents.annotators.label_studio import is_task, read_task
from assay.corpus.documents.annotators.prodigy import is_prodigy, read_prodigy
from assay.corpus.documents.annotators.spacy_examples import is_spacy, read_spacy
from assay.corpus.documents.fields import Fields
from assay.corpus.documents.json_columns import JsonColumns
from assay.corpus.documents.raw_document import Document
from assay.corpus.documents.values import UnreadableError
from assay.corpus.errors import AssayError

READERS: Mapping[str, Callable[[Values, Needs], AnnotatedRow | None]] = {
    "label_studio": read_task,
    "doccano": read_doccano,
    "prodigy": read_prodigy,
    "spacy": read_spacy,
    "argilla": read_argilla,
}
NAMES = {
    "label_studio": "tasks of Label Studio",
    "doccano": "documents of doccano",
    "prodigy": "examples of Prodigy",
    "spacy": "training examples of spaCy",
    "argilla": "records of Argilla",
}
# Fields that hold what people annotated.
ANNOTATIONS = {
    "label_studio": ("annotations",),
    "doccano": ("label", "labels", "entities", "cats", "annotations"),
    "prodigy": ("answer", "accept", "label", "spans"),
    "spacy": ("annotations", "entities", "ents", "cats"),
    "argilla": ("responses", "annotation"),
}
_RECOGNISERS = {
    "label_studio": is_task,
    "doccano": is_doccano,
    "prodigy": is_prodigy,
    "spacy": is_spacy,
    "argilla": is_argilla,
}
# Tools whose objects are known also where a table holds them as JSON text; a list of labels may be anybody's.
_SHOWN_BY_TEXT = ("label_studio", "argilla")
NEARLY_ALL = 0.9
# Lists that show a tool by their members: empty ones may be anybody's.
_EVIDENCE = {
    "doccano": ("label", "labels", "entities", "annotations"),
    "spacy": ("entities", "ents", "cats", "annotations"),
}


def recognised_format(documents: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the value of `source.format` for documents that one tool alone writes; None for any other documents.

    A few others among them are no reason to read rejected or disputed annotations as they stand.
    """
    if not documents:
        return None
    counts = {
        name: sum(map(recognise, with_values(documents, name) if name in _SHOWN_BY_TEXT else documents))
        for name, recognise in _RECOGNISERS.items()
    }
    formats = [
        name
        for name, count in counts.items()
        if count == len(documents) or (name not in _EVIDENCE and count >= NEARLY_ALL * len(documents))
    ]
    if len(formats) != 1:
        return None
    evidence = _EVIDENCE.get(formats[0])
    is_shown = evidence is None or any(document.get(name) for document in documents for name in evidence)
    return formats[0] if is_shown else None


def with_values(documents: Sequence[Mapping[str, Any]], tool: str) -> list[Mapping[str, Any]]:
    """Return documents with the values of a tool in place of JSON text; text that is not JSON stays."""
    columns = JsonColumns(tool, Fields())

    def decoded(values: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return columns.decoded(Document("", values)).values
        except UnreadableError:
            return values

    return [decoded(values) for values in documents]


def check_readable(documents: Sequence[Mapping[str, Any]], label_map: Mapping[str, str]) -> None:
    """Refuse documents of a form that is not read.

    Args:
        documents: the documents.
        label_map: new names of labels that the user has given.

    Raises:
        AssayError: they are of one, with the remedy.
    """
    if documents and all(map(_is_spacy_2, documents)):
        raise AssayError(
            "these are training documents of spaCy 2; convert them (python -m spacy convert FILE . --converter json), "
            "and name the .spacy file"
        )
    if not label_map and documents and any(map(has_numbers, documents)):
        raise AssayError(
            "these are documents of doccano with numbers in place of labels; export them as JSONL with text labels, or "
            'name the numbers, such as --set \'source.label_map={"1": good, "2": bad}\''
        )


def _is_spacy_2(document: Mapping[str, Any]) -> bool:
    parts = document.get("paragraphs")
    return (
        isinstance(parts, list) and bool(parts) and all(isinstance(one, dict) and "sentences" in one for one in parts)
    )


def format_remedy(tool: str) -> str:
    """Return what the documents of a tool are, and the key to set."""
    return f"these are {NAMES[tool]}; set source.format: {tool}"
