"""The layout of words with their tags, or without."""

from collections.abc import Mapping, Sequence

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.values import get_path
from assay.corpus.errors import AssayError
from assay.corpus.sources.universal_words import SPACE_AFTER
from assay.recipes.proposal.field_profile import FieldProfile
from assay.recipes.proposal.field_roles import Choices, last_part, no_lists, without
from assay.recipes.proposal.layout_parts import (
    MOST,
    DocumentLayout,
    Documents,
    beside,
    heads_of,
    label_and_columns,
    labels_settings,
    roles_of,
    use_of_labels,
)
from assay.recipes.proposal.questions import NONE, ask
from assay.recipes.proposal.row_label_layout import find_row_labels
from assay.recipes.proposal.source_settings import set_field
from assay.recipes.proposal.written_cells import are_tags

TOKEN_NAMES = ("tokens", "words", "token", "word")
TAG_NAMES = ("ner_tags", "tags", "labels", "ner", "bio", "slots", "tag")


def words_and_tags(
    documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices
) -> tuple[str, str] | None:
    """Return the fields of words and of their tags, or None if no field holds words."""
    lists = [name for name, profile in profiles.items() if profile.kind in ("words", "list") and profile.share >= MOST]
    words = set_field(choices.settings, "fields", "tokens")
    if words is not None and words not in lists:
        raise no_lists(f"--set source.fields.tokens={words}", words, lists, "lists of words")
    words = words or next((name for wanted in TOKEN_NAMES for name in lists if last_part(name) == wanted), None)
    words = words or _beside_tags(documents, lists)
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


def _beside_tags(documents: Documents, lists: Sequence[str]) -> str | None:
    """Return the only field whose lists are as long as lists of tags such as O and B-PER; None without one."""
    tags = [name for name in lists if are_tags([get_path(document, name) for document in documents])]
    beside = [name for name in lists if name not in tags and any(_same_lengths(documents, name, tag) for tag in tags)]
    return beside[0] if len(beside) == 1 else None


def tagged_layout(
    documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices, words: str, tags: str
) -> DocumentLayout:
    """Return the layout of words with their tags.

    Args:
        documents: a sample.
        profiles: profile of each field.
        choices: what the user has said.
        words: field of the words.
        tags: field of their tags, or `none`.

    Raises:
        AssayError: the user names a text, or the words or tags as labels.
    """
    _check_text_is_words(choices, words)
    # The tags are a list of names, too: only the user can say which list holds labels of the row.
    several = find_row_labels(documents, profiles, choices) if choices.labels is not None else None
    names = several.names if several is not None else []
    if taken := next((name for name in names if name in (words, tags)), None):
        use = "words" if taken == words else f"tags of the words; add --entities {NONE}"
        raise AssayError(f"--labels {taken}: it holds the {use}, or name another field")
    needs_no_class = tags != NONE or several is not None
    roles = roles_of(without(profiles, words, tags, *names), beside(several, choices), has_entities=needs_no_class)
    fields = {"tokens": words, **({"tags": tags} if tags != NONE else {})}
    used = {words: "words", **({tags: "tags"} if tags != NONE else {}), **use_of_labels(several)}
    layout = {"format": "tokens", **labels_settings(several), "fields": {**fields, **label_and_columns(roles)}}
    if SPACE_AFTER in profiles and _same_lengths(documents, words, SPACE_AFTER):
        layout["tagging"] = {"space_after": SPACE_AFTER}
    if several is not None:
        layout["fields"]["labels"] = several.fields
    heads = heads_of(roles, tags != NONE, several is not None)
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


def _same_lengths(documents: Documents, words: str, tags: str) -> bool:
    pairs = [(get_path(document, words), get_path(document, tags)) for document in documents]
    same = sum(isinstance(a, list) and isinstance(b, list) and len(a) == len(b) for a, b in pairs)
    return same >= MOST * len(pairs)
