"""The layout of documents: rows, words with tags, or documents of sentences, and the fields that each needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assay.corpus.documents.annotators.recognised import READERS, check_readable, recognised_format
from assay.corpus.documents.fields import DocumentFormat, EntityFields
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.documents.values import MISSING, get_path, is_missing
from assay.corpus.errors import AssayError
from assay.corpus.example import HEADS, Head
from assay.corpus.sources.universal_words import SPACE_AFTER
from assay.recipes.proposal.class_values import check_class
from assay.recipes.proposal.entity_layout import entity_settings, why_unread
from assay.recipes.proposal.field_content import listed
from assay.recipes.proposal.field_profile import FieldProfile, profile_fields
from assay.recipes.proposal.field_roles import (
    Choices,
    RowRoles,
    find_roles,
    find_texts,
    is_text,
    last_part,
    no_field,
    without,
)
from assay.recipes.proposal.questions import NONE, AmbiguousError, ask
from assay.recipes.proposal.row_label_layout import RowLabelFields, find_row_labels, listed_classes
from assay.recipes.proposal.source_settings import INNER, set_field, with_settings
from assay.recipes.proposal.tool_layout import tool_layout

Documents = Sequence[Mapping[str, Any]]
ENTITY_NAMES = ("entities", "ents", "spans", "annotations")
TOKEN_NAMES = ("tokens", "words", "token", "word")
TAG_NAMES = ("ner_tags", "tags", "labels", "ner", "bio", "slots", "tag")
# Share of the documents that must fit a layout.
MOST = 0.9
SHORTEST = 5  # characters of a sentence in the mean; Chinese ones are short
LISTS = ("objects", "list", "words")
_PARSE_USES = {"text": "text", "entities": "entities", "label": "class", "labels": "labels"}


@dataclass(frozen=True)
class DocumentLayout:
    """How documents become rows, and what each field is used as."""

    format: DocumentFormat
    heads: tuple[Head, ...]
    roles: RowRoles
    used: Mapping[str, str] = field(default_factory=dict)  # field -> what it is used as, for words, tags and entities
    profiles: Mapping[str, FieldProfile] = field(default_factory=dict, compare=False)


def find_layout(documents: Documents, choices: Choices) -> DocumentLayout:
    """Return the layout of a sample.

    Raises:
        AmbiguousError: the sample can be read in more than one way.
        AssayError: there is no text, or nothing to learn.
    """
    profiles = profile_fields(documents)
    layout = _find(documents, profiles, choices)
    if not layout.heads:
        raise AssayError("there is nothing to learn; name the class (--label), labels (--labels) or --entities")
    if layout.format.is_of_tool:  # the user's keys were needed to read its annotations
        return replace(layout, profiles=profiles)
    settings = choices.settings
    if "sentence" in layout.heads and layout.format.format != "parse" and _has_no_class(documents, layout):
        settings = {"no_label": [""], **settings}
    document_format = with_settings(layout.format.model_dump(exclude_defaults=True), settings)
    return replace(layout, format=document_format, profiles=profiles)


def _has_no_class(documents: Documents, layout: DocumentLayout) -> bool:
    """Return whether the class of some documents is empty; a document without the field is damaged."""
    name = layout.format.fields.label
    values = (get_path(document, name) for document in documents) if name is not None else ()
    return any(value is not MISSING and (is_missing(value) or value == "") for value in values)


def _find(documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices) -> DocumentLayout:
    check_readable(documents)
    form = choices.settings.get("format")
    tool = recognised_format(documents) if form is None else form if form in READERS else None
    if tool is not None and (form is not None or tool != "doccano"):
        return DocumentLayout(*tool_layout(documents, profiles, tool, choices))
    sentences = _sentences(documents, profiles, choices)
    inner = profile_fields(_objects(documents, sentences)) if sentences is not None else {}
    choices.check([*profiles, *inner])
    several = find_row_labels(documents, profiles, choices) if sentences is None else None
    # Lists of names alone are what doccano writes for texts, and many others, too.
    if tool is not None and ("entities" in profiles or not _holds_several(documents, several)):
        return DocumentLayout(*tool_layout(documents, profiles, tool, choices))
    if "annotations" in choices.settings:
        raise AssayError("--set source.annotations: these are no documents of an annotation tool; leave it out")
    words = _words_and_tags(documents, profiles, choices) if form in (None, "tokens") else None
    if words is not None:
        choices.check(profiles)
        return _tagged_layout(documents, profiles, choices, *words)
    if sentences is not None:
        return _parse_layout(documents, profiles, inner, choices, sentences)
    _check_format_is_found(form)
    return _row_layout(documents, profiles, choices, several)


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


def _words_and_tags(
    documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices
) -> tuple[str, str] | None:
    """Return the fields of words and of their tags, or None if no field holds words."""
    lists = [name for name, profile in profiles.items() if profile.kind in ("words", "list") and profile.share >= MOST]
    words = set_field(choices.settings, "fields", "tokens")
    if words is not None and words not in lists:
        raise no_field(f"--set source.fields.tokens={words}", words, lists, "list of words")
    words = words or next((name for wanted in TOKEN_NAMES for name in lists if last_part(name) == wanted), None)
    if words is None:
        return None
    tags = [name for name in lists if name != words and _same_lengths(documents, words, name)]
    if choices.entities in (*tags, NONE) and tags:
        return words, choices.entities or NONE
    if not tags:
        return None
    named = [name for wanted in TAG_NAMES for name in tags if last_part(name) == wanted]
    if not named and len(tags) > 1:
        raise ask("the tags of the words", "--entities", [profiles[name] for name in tags])
    return words, (named or tags)[0]


def _same_lengths(documents: Documents, words: str, tags: str) -> bool:
    pairs = [(get_path(document, words), get_path(document, tags)) for document in documents]
    same = sum(isinstance(a, list) and isinstance(b, list) and len(a) == len(b) for a, b in pairs)
    return same >= MOST * len(pairs)


def _tagged_layout(
    documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices, words: str, tags: str
) -> DocumentLayout:
    _check_text_is_words(choices, words)
    # The tags are a list of names, too: only the user can say which list holds labels of the row.
    several = find_row_labels(documents, profiles, choices) if choices.labels is not None else None
    names = several.names if several is not None else []
    if taken := next((name for name in names if name in (words, tags)), None):
        use = "words" if taken == words else f"tags of the words; add --entities {NONE}"
        raise AssayError(f"--labels {taken}: it holds the {use}, or name another field")
    needs_no_class = tags != NONE or several is not None
    roles = _roles(without(profiles, words, tags, *names), _beside(several, choices), has_entities=needs_no_class)
    fields = {"tokens": words, **({"tags": tags} if tags != NONE else {})}
    used = {words: "words", **({tags: "tags"} if tags != NONE else {}), **_use_of_labels(several)}
    layout = {"format": "tokens", **_labels_settings(several), "fields": {**fields, **_label_and_columns(roles)}}
    if SPACE_AFTER in profiles and _same_lengths(documents, words, SPACE_AFTER):
        layout["tagging"] = {"space_after": SPACE_AFTER}
    if several is not None:
        layout["fields"]["labels"] = several.fields
    heads = _heads(roles, tags != NONE, several is not None)
    return DocumentLayout(DocumentFormat.model_validate(layout), heads, roles, used)


def _check_text_is_words(choices: Choices, words: str) -> None:
    """Refuse a text beside the words, which make up the text."""
    text = None if choices.text == words else choices.text
    for option, name in (("text", text), ("pair", choices.pair)):
        if name is not None:
            raise AssayError(
                f"--{option} {name}: the text of these documents is their words in {words}; leave the option out, or "
                f"leave {words} out of the data"
            )


def _beside(several: RowLabelFields | None, choices: Choices) -> Choices:
    """Return the choices beside several labels: a column with few values is a class only if the user says so."""
    return replace(choices, label=NONE) if several is not None and choices.label is None else choices


def _use_of_labels(several: RowLabelFields | None) -> dict[str, str]:
    names = several.names if several is not None else []
    return dict.fromkeys(names, "labels" if len(names) == 1 else "label: 1 if it applies")


def _labels_settings(several: RowLabelFields | None) -> dict[str, Any]:
    return {"label_separator": several.separator} if several is not None and several.separator else {}


def _sentences(documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices) -> str | None:
    """Return the field that holds a list of sentences: objects with a text, in documents that have none themselves."""
    form, named = choices.settings.get("format"), set_field(choices.settings, "parse", "sentences")
    if form not in (None, "parse"):
        return None
    lists = [name for name, profile in profiles.items() if profile.kind == "objects" and profile.share >= MOST]
    if named is not None:
        if named not in lists:
            raise no_field(f"--set source.parse.sentences={named}", named, lists, "list of sentences")
        return named
    if form is None and any(is_text(profile) for profile in profiles.values()):
        return None
    for name in lists:
        inner = profile_fields(_objects(documents, name))
        if _text_of_sentence(inner) is not None or (form is not None and choices.text in inner):
            return name
    return None


def _of_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's keys without those that name fields of a document."""
    return {key: value for key, value in settings.items() if key not in INNER}


def _text_of_sentence(inner: Mapping[str, FieldProfile]) -> str | None:
    texts = [name for name, profile in inner.items() if profile.kind == "text" and profile.mean_length >= SHORTEST]
    return next((name for name in texts if last_part(name) in ("text", "sentence", "content")), None)


def _parse_layout(
    documents: Documents,
    profiles: Mapping[str, FieldProfile],
    inner: Mapping[str, FieldProfile],
    choices: Choices,
    name: str,
) -> DocumentLayout:
    if choices.pair is not None:
        raise AssayError(f"--pair {choices.pair}: sentences of documents have no second text; leave it out")
    choices.check(inner, ("text", "label", "labels", "entities"), of="sentence")
    sentences = _objects(documents, name)
    text = choices.text or _text_of_sentence(inner)
    if text is None:
        raise AssayError(
            f"{name}: no field of a sentence is its text; fields are {listed(list(inner))}; add --text FIELD"
        )
    entities, entity = _entity_field(sentences, inner, text, choices)
    several = find_row_labels(sentences, inner, choices) if choices.labels is not None else None
    labels = several.names if several is not None else []
    if len(labels) > 1:
        raise AssayError(f"--labels {choices.labels}: labels of a sentence stand in one field; name a single one")
    # Groups and splits are columns of the documents, or of both; the user may name any.
    of_sentence = replace(_beside(several, choices), group=NONE, split=NONE, settings=_of_values(choices.settings))
    free = without(inner, text, entities, choices.group, choices.split, *labels)
    roles = _roles(free, of_sentence, has_entities=entity is not None or several is not None)
    outer = find_roles(without(profiles, name), replace(choices, label=NONE), has_entities=True)
    parts = {"text": text, "entities": entities, "label": roles.label, "labels": next(iter(labels), None)}
    found = {key: field_name for key, field_name in parts.items() if field_name is not None}
    layout = {
        "format": "parse",
        "fields": _label_and_columns(outer),
        "parse": {"sentences": name, **found},
        **_labels_settings(several),
    }
    used = {name: "sentences"} | {f"{name}[].{found[key]}": use for key, use in _PARSE_USES.items() if key in found}
    heads = _heads(roles, entity is not None, several is not None)
    return DocumentLayout(_with_entity(layout, entity), heads, outer, used)


def _row_layout(
    documents: Documents,
    profiles: Mapping[str, FieldProfile],
    choices: Choices,
    several: RowLabelFields | None,
) -> DocumentLayout:
    text, pair = find_texts(without(profiles, choices.label, choices.entities, choices.group, choices.split), choices)
    entities, entity = _entity_field(documents, profiles, text, choices)
    singles = {name: profile for name, profile in profiles.items() if profile.kind not in LISTS}
    singles |= listed_classes(documents, profiles)
    labels = several.names if several is not None else []
    needs_no_class = entity is not None or several is not None
    choices = _beside(several, choices)
    try:
        roles = _roles(without(singles, text, pair, *labels), choices, has_entities=needs_no_class)
    except AmbiguousError:
        raise
    except AssayError as error:
        raise AssayError(f"{error}{_unread_lists(documents, profiles, text)}") from error
    texts: dict[str, Any] = {
        "text": text,
        **({"text_pair": pair} if pair else {}),
        **({"entities": entities} if entities else {}),
    }
    texts |= {"labels": several.fields} if several is not None else {}
    layout: dict[str, Any] = {"format": "rows", "fields": {**texts, **_label_and_columns(roles)}}
    layout |= _labels_settings(several)
    used = {text: "text"} | ({pair: "second text"} if pair else {}) | ({entities: "entities"} if entities else {})
    used |= _use_of_labels(several)
    heads = _heads(roles, entity is not None, several is not None)
    return DocumentLayout(_with_entity(layout, entity), heads, roles, used)


def _roles(profiles: Mapping[str, FieldProfile], choices: Choices, *, has_entities: bool) -> RowRoles:
    """Return the roles of fields; the class has been checked for values that can be read in two ways."""
    roles = find_roles(profiles, choices, has_entities=has_entities)
    if roles.label is not None and roles.label in profiles:
        check_class(profiles[roles.label], choices)
    return roles


def _entity_field(
    documents: Documents, profiles: Mapping[str, FieldProfile], text: str, choices: Choices
) -> tuple[str | None, EntityFields | None]:
    """Return the field that holds entities and the layout of its objects; None where no field does."""
    if choices.entities == NONE:
        return None, None
    layouts: dict[str, EntityFields] = {}
    for name, profile in profiles.items():
        if profile.kind == "objects" and choices.entities in (None, name):
            layout = entity_settings(_texts_with_lists(documents, text, name), choices.settings.get("entity", {}))
            if layout is not None:
                layouts[name] = layout
    if choices.entities is not None and not layouts:
        raise AssayError(
            f"--entities {choices.entities}: its values are not lists of objects with offsets or words of the text; "
            "name another field, or none"
        )
    if len(layouts) > 1:
        raise ask("the entities of a row", "--entities", [profiles[name] for name in layouts], optional=True)
    return next(iter(layouts.items()), (None, None))


def _unread_lists(documents: Documents, profiles: Mapping[str, FieldProfile], text: str) -> str:
    """Return which lists are no entities, and why, as the end of a message; empty without such a list."""
    for name, profile in profiles.items():
        if profile.kind == "list" and last_part(name) in ENTITY_NAMES:
            example = next(items for document in documents if (items := get_path(document, name)))
            return (
                f"; {name} holds lists other than [start, end, label], such as {example!r:.80}: write those, or objects"
            )
        if profile.kind == "objects":
            reason = why_unread(_texts_with_lists(documents, text, name))
            return f"; {name} holds objects that cannot be read as entities: {reason}; {remedy_of(reason)}"
    return ""


def _texts_with_lists(documents: Documents, text: str, name: str) -> list[tuple[str, list[Mapping[str, Any]]]]:
    pairs = ((get_path(document, text), get_path(document, name)) for document in documents)
    return [(str(value), items) for value, items in pairs if isinstance(value, str) and isinstance(items, list)]


def _objects(documents: Documents, name: str) -> list[Mapping[str, Any]]:
    lists = (get_path(document, name) for document in documents)
    return [item for items in lists if isinstance(items, list) for item in items if isinstance(item, Mapping)]


def _with_entity(layout: dict[str, Any], entity: EntityFields | None) -> DocumentFormat:
    entity_keys = {} if entity is None else entity.model_dump(exclude_defaults=True)
    return DocumentFormat.model_validate({**layout, "entity": entity_keys})


def _label_and_columns(roles: RowRoles) -> dict[str, Any]:
    columns = {"label": roles.label, "id": roles.id, "group": roles.group, "time": roles.time, "split": roles.split}
    slices = {last_part(name): name for name in roles.slices}
    return {key: name for key, name in columns.items() if name} | ({"slices": slices} if slices else {})


def _heads(roles: RowRoles, entities: bool, several: bool = False) -> tuple[Head, ...]:
    present: dict[Head, bool] = {"sentence": roles.label is not None, "labels": several, "tokens": entities}
    return tuple(head for head in HEADS if present[head])
