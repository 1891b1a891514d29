"""The layout of documents: rows, words with tags, or documents of sentences, and the fields that each needs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.corpus.documents.annotators.recognised import READERS, check_readable, recognised_format, with_values
from assay.corpus.documents.values import MISSING, get_path, is_missing
from assay.corpus.errors import AssayError
from assay.recipes.proposal.entity_field import entity_field, unread_lists
from assay.recipes.proposal.field_profile import FieldProfile, profile_fields, profile_places
from assay.recipes.proposal.field_roles import Choices, find_texts, without
from assay.recipes.proposal.layout_parts import (
    DocumentLayout,
    Documents,
    beside,
    heads_of,
    label_and_columns,
    labels_settings,
    roles_of,
    use_of_labels,
    with_entity,
)
from assay.recipes.proposal.questions import AmbiguousError
from assay.recipes.proposal.row_label_layout import RowLabelFields, find_row_labels, listed_classes
from assay.recipes.proposal.sentence_layout import find_sentences, objects_in, parse_layout
from assay.recipes.proposal.source_settings import with_settings
from assay.recipes.proposal.tool_layout import tool_layout
from assay.recipes.proposal.word_layout import tagged_layout, words_and_tags
from assay.recipes.proposal.written_cells import with_lists, with_objects

LISTS = ("objects", "list", "words")


def find_layout(documents: Documents, choices: Choices) -> DocumentLayout:
    """Return the layout of a sample.

    Raises:
        AmbiguousError: the sample can be read in more than one way.
        AssayError: there is no text, or nothing to learn.
    """
    cells, documents = documents, with_objects(with_lists(documents))
    profiles = {**profile_places(documents, choices.names), **profile_fields(documents)}
    layout = _find(documents, profiles, choices, cells)
    if not layout.heads:
        raise AssayError("there is nothing to learn; name the class (--label), labels (--labels) or --entities")
    if layout.format.is_of_tool:  # the user's keys were needed to read its annotations
        return replace(layout, profiles=profiles)
    settings = choices.settings
    if "sentence" in layout.heads and layout.format.format != "parse" and _has_no_class(documents, layout):
        settings = {"no_label": [""], **settings}
    document_format = with_settings(layout.format.model_dump(exclude_defaults=True), settings)
    return replace(layout, format=document_format, profiles=profiles)


def _find(
    documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices, cells: Documents
) -> DocumentLayout:
    """Return the layout; `cells` are the documents as they stand, with lists as text, which tools write and read."""
    check_readable(cells, choices.settings.get("label_map", {}))
    form = choices.settings.get("format")
    tool = recognised_format(cells) if form is None else form if form in READERS else None
    cells = cells if tool is None else with_values(cells, tool)
    if tool is not None and (form is not None or tool != "doccano"):
        return DocumentLayout(*tool_layout(cells, profile_fields(cells), tool, choices))
    sentences = find_sentences(documents, profiles, choices)
    inner = profile_fields(objects_in(documents, sentences)) if sentences is not None else {}
    choices.check([*profiles, *inner])
    several = find_row_labels(documents, profiles, choices) if sentences is None else None
    # Lists of names alone are what doccano writes for texts, and many others, too.
    if tool is not None and ("entities" in profiles or not _holds_several(documents, several)):
        return DocumentLayout(*tool_layout(cells, profile_fields(cells), tool, choices))
    if "annotations" in choices.settings:
        raise AssayError("--set source.annotations: these are no documents of an annotation tool; leave it out")
    words = words_and_tags(documents, profiles, choices) if form in (None, "tokens") else None
    if words is not None:
        choices.check(profiles)
        return tagged_layout(documents, profiles, choices, *words)
    if sentences is not None:
        return parse_layout(documents, profiles, inner, choices, sentences)
    _check_format_is_found(form)
    return _row_layout(documents, profiles, choices, several)


def _row_layout(
    documents: Documents,
    profiles: Mapping[str, FieldProfile],
    choices: Choices,
    several: RowLabelFields | None,
) -> DocumentLayout:
    text, pair = find_texts(without(profiles, choices.label, choices.entities, choices.group, choices.split), choices)
    entities, entity = entity_field(documents, profiles, text, choices)
    singles = {name: profile for name, profile in profiles.items() if profile.kind not in LISTS}
    singles |= listed_classes(documents, profiles)
    labels = several.names if several is not None else []
    needs_no_class = entity is not None or several is not None
    choices = beside(several, choices)
    try:
        roles = roles_of(without(singles, text, pair, *labels), choices, has_entities=needs_no_class)
    except AmbiguousError:
        raise
    except AssayError as error:
        raise AssayError(f"{error}{unread_lists(documents, profiles, text)}") from error
    texts: dict[str, Any] = {
        "text": text,
        **({"text_pair": pair} if pair else {}),
        **({"entities": entities} if entities else {}),
    }
    texts |= {"labels": several.fields} if several is not None else {}
    layout: dict[str, Any] = {"format": "rows", "fields": {**texts, **label_and_columns(roles)}}
    layout |= labels_settings(several)
    used = {text: "text"} | ({pair: "second text"} if pair else {}) | ({entities: "entities"} if entities else {})
    used |= use_of_labels(several)
    heads = heads_of(roles, entity is not None, several is not None)
    return DocumentLayout(with_entity(layout, entity), heads, roles, used)


def _has_no_class(documents: Documents, layout: DocumentLayout) -> bool:
    """Return whether the class of some documents is empty; a document without the field is damaged."""
    name = layout.format.fields.label
    values = (get_path(document, name) for document in documents) if name is not None else ()
    return any(value is not MISSING and (is_missing(value) or value in ("", [], ())) for value in values)


def _check_format_is_found(form: str | None) -> None:
    """Refuse a format that the user sets and no field suits."""
    if form == "tokens":
        raise AssayError(
            "--set source.format=tokens: no field holds lists of words beside their tags; name the words with --set "
            "source.fields.tokens=FIELD and the tags with --entities FIELD, or leave it out"
        )
    if form == "parse":
        raise AssayError(
            "--set source.format=parse: no field holds lists of sentences; name it with --set "
            "source.parse.sentences=FIELD, or leave it out"
        )


def _holds_several(documents: Documents, labels: RowLabelFields | None) -> bool:
    """Return whether a row has several labels."""
    names = labels.names if labels is not None else []
    lists = (get_path(document, name) for name in names for document in documents)
    return any(isinstance(items, list) and len(items) > 1 for items in lists)
