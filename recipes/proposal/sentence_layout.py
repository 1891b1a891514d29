"""The layout of documents that hold a list of sentences."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.corpus.documents.values import get_path
from assay.corpus.errors import AssayError
from assay.recipes.proposal.entity_field import entity_field
from assay.recipes.proposal.field_content import listed
from assay.recipes.proposal.field_profile import FieldProfile, profile_fields
from assay.recipes.proposal.field_roles import Choices, find_roles, is_text, last_part, no_lists, without
from assay.recipes.proposal.layout_parts import (
    MOST,
    DocumentLayout,
    Documents,
    beside,
    heads_of,
    label_and_columns,
    labels_settings,
    roles_of,
    with_entity,
)
from assay.recipes.proposal.questions import NONE
from assay.recipes.proposal.row_label_layout import find_row_labels
from assay.recipes.proposal.source_settings import INNER, set_field

CHAT = {"role", "content"}  # fields of a message, as trainings of language models read it
SHORTEST = 5  # characters of a sentence in the mean; Chinese ones are short
_USES = {"text": "text", "entities": "entities", "label": "class", "labels": "labels"}


def find_sentences(documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices) -> str | None:
    """Return the field that holds a list of sentences: objects with a text, in documents that have none themselves.

    Raises:
        AssayError: the user names another field, or the lists are chats.
    """
    form, named = choices.settings.get("format"), set_field(choices.settings, "parse", "sentences")
    if form not in (None, "parse"):
        return None
    lists = [name for name, profile in profiles.items() if profile.kind == "objects" and profile.share >= MOST]
    if named is not None:
        if named not in lists:
            raise no_lists(f"--set source.parse.sentences={named}", named, lists, "lists of sentences")
        return named
    if form is None and any(is_text(profile) for profile in profiles.values()):
        return None
    for name in lists:
        if any(given.startswith(f"{name}.") for given in choices.names):
            continue  # the user reads single places of it
        inner = profile_fields(objects_in(documents, name))
        if inner.keys() >= CHAT and form is None:
            raise AssayError(
                f"{name} holds chats; name the places of text and class, counted from 0, such as "
                f"--text {name}.1.content --label {name}.2.content"
            )
        if _text_of_sentence(inner) is not None or (form is not None and choices.text in inner):
            return name
    return None


def parse_layout(
    documents: Documents,
    profiles: Mapping[str, FieldProfile],
    inner: Mapping[str, FieldProfile],
    choices: Choices,
    name: str,
) -> DocumentLayout:
    """Return the layout of documents of sentences.

    Args:
        documents: a sample.
        profiles: profile of each field of a document.
        inner: profile of each field of a sentence.
        choices: what the user has said.
        name: field of the sentences.

    Raises:
        AssayError: a sentence has no text, or the user asks for what sentences do not have.
    """
    if choices.pair is not None:
        raise AssayError(f"--pair {choices.pair}: sentences of documents have no second text; leave it out")
    choices.check(inner, ("text", "label", "labels", "entities"), of="sentence")
    sentences = objects_in(documents, name)
    text = choices.text or _text_of_sentence(inner)
    if text is None:
        raise AssayError(
            f"{name}: no field of a sentence is its text; fields are {listed(list(inner))}; add --text FIELD"
        )
    entities, entity = entity_field(sentences, inner, text, choices)
    several = find_row_labels(sentences, inner, choices) if choices.labels is not None else None
    labels = several.names if several is not None else []
    if len(labels) > 1:
        raise AssayError(f"--labels {choices.labels}: labels of a sentence stand in one field; name a single one")
    # Groups and splits are columns of the documents, or of both; the user may name any.
    of_sentence = replace(beside(several, choices), group=NONE, split=NONE, settings=_of_values(choices.settings))
    free = without(inner, text, entities, choices.group, choices.split, *labels)
    roles = roles_of(free, of_sentence, has_entities=entity is not None or several is not None)
    outer = find_roles(without(profiles, name), replace(choices, label=NONE), has_entities=True)
    parts = {"text": text, "entities": entities, "label": roles.label, "labels": next(iter(labels), None)}
    found = {key: field_name for key, field_name in parts.items() if field_name is not None}
    layout = {
        "format": "parse",
        "fields": label_and_columns(outer),
        "parse": {"sentences": name, **found},
        **labels_settings(several),
    }
    used = {name: "sentences"} | {f"{name}[].{found[key]}": use for key, use in _USES.items() if key in found}
    heads = heads_of(roles, entity is not None, several is not None)
    return DocumentLayout(with_entity(layout, entity), heads, outer, used)


def objects_in(documents: Documents, name: str) -> list[Mapping[str, Any]]:
    """Return the objects of the lists in a field, of all documents."""
    lists = (get_path(document, name) for document in documents)
    return [item for items in lists if isinstance(items, list) for item in items if isinstance(item, Mapping)]


def _text_of_sentence(inner: Mapping[str, FieldProfile]) -> str | None:
    texts = [name for name, profile in inner.items() if profile.kind == "text" and profile.mean_length >= SHORTEST]
    return next((name for name in texts if last_part(name) in ("text", "sentence", "content")), None)


def _of_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's keys without those that name fields of a document."""
    return {key: value for key, value in settings.items() if key not in INNER}
