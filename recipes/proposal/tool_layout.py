"""The layout of documents that an annotation tool exported."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.corpus.documents.annotators.label_studio import ADDED, holds_spans
from assay.corpus.documents.annotators.recognised import NAMES
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.errors import AssayError
from assay.corpus.example import Head
from assay.recipes.proposal.field_profile import profile_fields
from assay.recipes.proposal.field_roles import Choices, RowRoles, find_roles, find_texts, given
from assay.recipes.proposal.questions import NONE
from assay.recipes.proposal.source_settings import with_settings

Documents = Sequence[Mapping[str, Any]]
# Object of a document that holds the text, by tool.
_INNER = {"label_studio": "data", "argilla": "fields"}
# Documents that show which heads the annotations suit.
_TRIED = 500
# Of documents that can be read at all; people disagree about some.
_MOST = 0.5
_ADDED = {*ADDED, "id", "created_at", "updated_at"}


def tool_layout(
    documents: Documents, tool: str, choices: Choices
) -> tuple[DocumentFormat, tuple[Head, ...], RowRoles, dict[str, str]]:
    """Return the parts of a `DocumentLayout`: format, heads, roles and used fields.

    Raises:
        AmbiguousError: several fields may be the text or the class.
        AssayError: the annotations hold neither classes nor entities.
    """
    text = choices.text or _text_field(documents, tool)
    roles = RowRoles(label=_label_field(documents, tool, text, choices), id=_id_field(documents))
    names = {"text": text, "label": roles.label, "entities": given(choices.entities), "id": roles.id}
    fields = {key: name for key, name in names.items() if name is not None and (key, name) != ("text", "text")}
    document_format = with_settings({"format": tool, "fields": fields}, choices.settings)
    heads = _heads(documents, document_format, choices)
    inner = _INNER.get(tool, "")
    name = f"{inner}.{text}" if isinstance(documents[0].get(inner), Mapping) else text
    used = {name: "text"} | {field: key for key, field in fields.items() if key in ("label", "entities")}
    return document_format, heads, roles, used


def _text_field(documents: Documents, tool: str) -> str:
    inner = [value for document in documents if isinstance(value := document.get(_INNER.get(tool, "")), Mapping)]
    profiles = profile_fields(inner or documents)
    return (
        "text"
        if "text" in profiles or (tool == "doccano" and "data" in profiles)
        else find_texts(profiles, Choices())[0]
    )


def _label_field(documents: Documents, tool: str, text: str, choices: Choices) -> str | None:
    """Return the field of the class; None where the tool says it itself, or there is none."""
    if choices.label is not None or tool != "label_studio" or "annotations" in documents[0]:
        return given(choices.label)
    profiles = {name: profile for name, profile in profile_fields(documents).items() if name not in {text, *_ADDED}}
    has_entities = any(holds_spans(value) for document in documents[:_TRIED] for value in document.values())
    return find_roles(profiles, Choices(group=NONE), has_entities=has_entities).label


def _id_field(documents: Documents) -> str | None:
    profile = profile_fields([{"id": document.get("id")} for document in documents])["id"]
    return "id" if profile.unique else None


def _heads(documents: Documents, document_format: DocumentFormat, choices: Choices) -> tuple[Head, ...]:
    reasons: list[str] = []
    heads: tuple[Head, ...] = ()
    if choices.label != NONE and _suits(documents, document_format, "sentence", reasons):
        heads = ("sentence",)
    if choices.entities != NONE and _suits(documents, document_format, "tokens", reasons):
        heads = (*heads, "tokens")
    if not heads:
        nothing = "no text is annotated; annotate some, and export again"
        why = f"{reasons[0]}; {remedy_of(reasons[0])}" if reasons else nothing
        raise AssayError(f"these are {NAMES[document_format.format]} without classes or entities: {why}")
    return heads


def _suits(documents: Documents, document_format: DocumentFormat, head: Head, reasons: list[str]) -> bool:
    """Return whether most annotated documents can be read for a head; `reasons` receives those of rejects."""
    reader = DocumentReader(document_format, needs_label=head == "sentence", needs_entities=head == "tokens")
    rows = marked = rejected = 0
    for number, document in enumerate(documents[:_TRIED]):
        examples, rejects = reader.read(Document(str(number), document))
        rows += len(examples)
        marked += sum(example.label is not None or bool(example.entities) for example in examples)
        rejected += len(rejects)
        reasons += [reason for _, reason, _ in rejects]
    return marked > 0 and rows >= _MOST * (rows + rejected)
