"""The layout of documents that an annotation tool exported."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.corpus.documents.annotators.label_studio import ADDED, holds_choices, holds_spans, is_full_task
from assay.corpus.documents.annotators.recognised import NAMES
from assay.corpus.documents.annotators.several_people import BY_PERSON
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.documents.values import MISSING, get_path
from assay.corpus.errors import AssayError
from assay.corpus.example import Example, Head
from assay.recipes.proposal.annotated_classes import with_checked_classes
from assay.recipes.proposal.field_profile import FieldProfile, profile_fields, value_text
from assay.recipes.proposal.field_roles import (
    Choices,
    RowRoles,
    find_roles,
    find_split,
    find_texts,
    given,
    no_field,
    without,
)
from assay.recipes.proposal.label_cells import MIN_ROWS_PER_CLASS
from assay.recipes.proposal.questions import NONE, ask
from assay.recipes.proposal.source_settings import set_field, with_settings

Documents = Sequence[Mapping[str, Any]]
Profiles = Mapping[str, FieldProfile]
# Object of a document that holds the text, by tool.
_INNER = {"label_studio": "data", "argilla": "fields"}
# Documents that show which heads the annotations suit.
_TRIED = 500
# So many rows show whether classes repeat.
_SHOWS_REPEATS = 10
# Of documents that can be read at all; people disagree about some.
_MOST = 0.5
_ADDED = {*ADDED, "id", "created_at", "updated_at"}


def tool_layout(
    documents: Documents, profiles: Profiles, tool: str, choices: Choices
) -> tuple[DocumentFormat, tuple[Head, ...], RowRoles, dict[str, str]]:
    """Return the parts of a `DocumentLayout`: format, heads, roles and used fields.

    Raises:
        AmbiguousError: several fields may be the text or the class.
        AssayError: the annotations hold neither classes nor entities, or no document has a field that the user names.
    """
    # The controls and questions of a tool are no fields.
    choices.check(profiles, ("pair", "group", "split"))
    _check_columns(documents, profiles, choices)
    text = _text_field(documents, profiles, tool, choices)
    pair, group, split = given(choices.pair), given(choices.group), find_split(profiles, choices)
    free = without(profiles, text, pair, group, split, *_ADDED)
    labels = _labels_field(documents, profiles, tool, choices)
    label = given(choices.label) if labels is not None else _label_field(documents, free, tool, choices)
    row_id = set_field(choices.settings, "fields", "id") or _id_field(documents, tool, text)
    roles = RowRoles(label=label, id=row_id, group=group, split=split)
    names = {
        "text": text, "text_pair": pair, "label": label, "labels": labels, "entities": given(choices.entities),
        "id": roles.id, "group": group, "split": split
    }  # fmt: skip
    fields = {key: name for key, name in names.items() if name is not None and (key, name) != ("text", "text")}
    document_format = with_settings({"format": tool, "fields": fields}, choices.settings)
    heads = _heads(documents, document_format, choices)
    if "sentence" in heads:
        document_format = with_checked_classes(documents, document_format, choices)
    inner = _INNER.get(tool, "")
    name = f"{inner}.{text}" if isinstance(documents[0].get(inner), Mapping) else text
    used = {name: "text"} | ({pair: "second text"} if pair else {})
    used |= {field: key for key, field in fields.items() if key in ("label", "labels", "entities")}
    return document_format, heads, roles, used


def _check_columns(documents: Documents, profiles: Profiles, choices: Choices) -> None:
    """Refuse an id or time that no document has; it may stand in a list, such as `annotations.0.created_at`.

    Raises:
        AssayError: no document has the field that the user sets.
    """
    for role in ("id", "time"):
        name = set_field(choices.settings, "fields", role)
        if name is not None and all(get_path(document, name) is MISSING for document in documents):
            raise no_field(f"--set source.fields.{role}={name}", name, profiles, documents=documents)


def _text_field(documents: Documents, profiles: Profiles, tool: str, choices: Choices) -> str:
    """Return the field of the text, in the object that holds it where the tool has one.

    Raises:
        AssayError: no document has the field that the user names.
    """
    inner = [value for document in documents if isinstance(value := document.get(_INNER.get(tool, "")), Mapping)]
    fields = profile_fields(inner) if inner else profiles
    if choices.text is not None:
        if choices.text not in (*fields, *profiles):
            raise no_field(f"--text {choices.text}", choices.text, list(fields))
        return choices.text
    is_plain = "text" in fields or (tool == "doccano" and "data" in fields)
    return "text" if is_plain else find_texts(fields, Choices())[0]


def _label_field(documents: Documents, free: Profiles, tool: str, choices: Choices) -> str | None:
    """Return the field of the class; None where the tool says it itself, or there is none."""
    if choices.label is not None or tool != "label_studio" or is_full_task(documents[0]):
        return given(choices.label)
    has_entities = any(holds_spans(value) for document in documents[:_TRIED] for value in document.values())
    return find_roles(free, Choices(group=NONE, split=NONE), has_entities=has_entities).label


def _labels_field(documents: Documents, profiles: Profiles, tool: str, choices: Choices) -> str | None:
    """Return the field of several labels; None where the tool says it itself, or there is none."""
    if choices.labels is not None or tool != "label_studio" or is_full_task(documents[0]):
        return given(choices.labels)
    if choices.label is not None:
        return None
    names = dict.fromkeys(name for document in documents for name, cell in document.items() if holds_choices(cell))
    if len(names) > 1:
        # A column whose every cell is an object has no profile, only its members have.
        columns = [profiles.get(name, FieldProfile(name, len(documents))) for name in names]
        raise ask("the labels of a row", "--labels", columns, optional=True)
    return next(iter(names), None)


def _id_field(documents: Documents, tool: str, text: str) -> str | None:
    """Return the field of an id of each text, of which several people may have annotated one."""
    if tool in BY_PERSON and not is_full_task(documents[0]):
        texts = {(value_text(document.get("id")), str(get_path(document, text))): document for document in documents}
        documents = list(texts.values())
    profile = profile_fields([{"id": document.get("id")} for document in documents])["id"]
    return "id" if profile.unique else None


def _heads(documents: Documents, document_format: DocumentFormat, choices: Choices) -> tuple[Head, ...]:
    reasons: list[str] = []
    has_several = choices.labels != NONE and _has_several(documents, document_format, choices)
    is_wanted: dict[Head, bool] = {
        # Texts of which some have several labels have no class, unless the user names one.
        "sentence": choices.label != NONE and (choices.label is not None or not has_several),
        "labels": has_several,
        "tokens": choices.entities != NONE,
    }
    heads = tuple(
        head for head, wanted in is_wanted.items() if wanted and _suits(documents, document_format, head, reasons)
    )
    if not heads:
        own = "format" in choices.settings
        lead = f"--set source.format={document_format.format}: read so, " if own else ""
        raise AssayError(
            f"{lead}these are {NAMES[document_format.format]} without classes or entities: {_why_nothing(reasons)}"
            f"{', or leave the setting out' if own else ''}"
        )
    return heads


def _why_nothing(reasons: Sequence[str]) -> str:
    """Return why no head suits the annotations, with the remedy."""
    # That a part is missing says less than what else was found.
    if telling := next((reason for reason in reasons if not reason.endswith("is missing")), None):
        return f"{telling}; {remedy_of(telling)}"
    missing = f"{reasons[0]}; " if reasons else ""
    return f"{missing}no text is annotated; annotate some, and export again, or name what holds the class (--label)"


def _has_several(documents: Documents, document_format: DocumentFormat, choices: Choices) -> bool:
    """Return whether the user names a field of several labels, or a text has several of one field."""
    if choices.labels is not None:
        return True
    if choices.label not in (None, NONE):
        return False
    rows, _ = _read(documents, document_format, "labels")
    sets = {row.labels for row in rows if row.labels}
    # A ranking lists the same names for each text.
    return len(sets) > 1 and any(len(labels) > 1 for labels in sets)


def _suits(documents: Documents, document_format: DocumentFormat, head: Head, reasons: list[str]) -> bool:
    """Return whether most annotated documents can be read for a head; `reasons` receives those of rejects."""
    rows, rejected = _read(documents, document_format, head)
    reasons += rejected
    classes = {row.label for row in rows if row.label is not None}
    if len(rows) >= _SHOWS_REPEATS and len(classes) > len(rows) / MIN_ROWS_PER_CLASS:
        reasons.append(f"classes do not repeat: {len(classes)} different ones in {len(rows)} rows")
        return False
    marked = any(row.label is not None or row.labels or row.entities for row in rows)
    return marked and len(rows) >= _MOST * (len(rows) + len(rejected))


def _read(documents: Documents, document_format: DocumentFormat, head: Head) -> tuple[list[Example], list[str]]:
    """Return the rows of the first documents for a head, and the reasons of rejects."""
    reader = DocumentReader(
        document_format,
        needs_label=head == "sentence",
        needs_entities=head == "tokens",
        needs_labels=head == "labels",
    )
    read = [reader.read(Document(str(number), document)) for number, document in enumerate(documents[:_TRIED])]
    return [row for rows, _ in read for row in rows], [reason for _, rejects in read for _, reason, _ in rejects]
