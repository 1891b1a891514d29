"""The classes that people chose in an annotation tool."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.recipes.proposal.class_values import check_values
from assay.recipes.proposal.field_profile import FieldProfile
from assay.recipes.proposal.field_roles import Choices

EMPTY_CLASS = ""


def with_checked_classes(
    documents: Sequence[Mapping[str, Any]], document_format: DocumentFormat, choices: Choices
) -> DocumentFormat:
    """Return the format of a tool's documents; texts without a class are left out where the user does not decide it.

    Raises:
        AmbiguousError: a class may mean that a text has none, or classes differ in case or white space alone.
    """
    profile, empty = _classes_of(documents, document_format)
    check_values(profile, choices)
    if not empty or "no_label" in choices.settings:
        return document_format
    return document_format.model_copy(update={"no_label": [EMPTY_CLASS]})


def _classes_of(documents: Sequence[Mapping[str, Any]], document_format: DocumentFormat) -> tuple[FieldProfile, int]:
    """Return the classes as the tool holds them, and the number of annotated texts without one."""
    as_written = {"label_map": {}, "fold_labels": False, "no_label": [EMPTY_CLASS]}
    reader = DocumentReader(document_format.model_copy(update=as_written), needs_label=True, needs_entities=False)
    profile = FieldProfile(document_format.fields.label or "the class", len(documents))
    for number, document in enumerate(documents):
        for row in reader.read(Document(str(number), document))[0]:
            profile.add(row.label)
    profile.documents = profile.present + reader.no_label  # without those that nobody has annotated
    return profile, reader.no_label
