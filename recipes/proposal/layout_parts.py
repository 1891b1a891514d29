"""What layouts of rows, words and sentences have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assay.corpus.documents.fields import DocumentFormat, EntityFields
from assay.corpus.example import HEADS, Head
from assay.recipes.proposal.class_values import check_class
from assay.recipes.proposal.field_profile import FieldProfile
from assay.recipes.proposal.field_roles import Choices, RowRoles, find_roles, last_part
from assay.recipes.proposal.questions import NONE
from assay.recipes.proposal.row_label_layout import RowLabelFields

Documents = Sequence[Mapping[str, Any]]
# Share of the documents that must fit a layout.
MOST = 0.9


@dataclass(frozen=True)
class DocumentLayout:
    """How documents become rows, and what each field is used as."""

    format: DocumentFormat
    heads: tuple[Head, ...]
    roles: RowRoles
    used: Mapping[str, str] = field(default_factory=dict)  # field -> what it is used as, for words, tags and entities
    profiles: Mapping[str, FieldProfile] = field(default_factory=dict, compare=False)


def roles_of(profiles: Mapping[str, FieldProfile], choices: Choices, *, has_entities: bool) -> RowRoles:
    """Return the roles of fields; the class has been checked for values that can be read in two ways."""
    roles = find_roles(profiles, choices, has_entities=has_entities)
    if roles.label is not None and roles.label in profiles:
        check_class(profiles[roles.label], choices)
    return roles


def beside(several: RowLabelFields | None, choices: Choices) -> Choices:
    """Return the choices beside several labels: a column with few values is a class only if the user says so."""
    return replace(choices, label=NONE) if several is not None and choices.label is None else choices


def use_of_labels(several: RowLabelFields | None) -> dict[str, str]:
    """Return what the fields of several labels are used as."""
    names = several.names if several is not None else []
    return dict.fromkeys(names, "labels" if len(names) == 1 else "label: 1 if it applies")


def labels_settings(several: RowLabelFields | None) -> dict[str, Any]:
    """Return the keys that say how several labels are written."""
    return {"label_separator": several.separator} if several is not None and several.separator else {}


def with_entity(layout: dict[str, Any], entity: EntityFields | None) -> DocumentFormat:
    """Return the format of a layout, with the keys of its entity objects if it has any."""
    entity_keys = {} if entity is None else entity.model_dump(exclude_defaults=True)
    return DocumentFormat.model_validate({**layout, "entity": entity_keys})


def label_and_columns(roles: RowRoles) -> dict[str, Any]:
    """Return the section `fields` of the class and of the columns beside it."""
    columns = {"label": roles.label, "id": roles.id, "group": roles.group, "time": roles.time, "split": roles.split}
    slices = {last_part(name): name for name in roles.slices}
    return {key: name for key, name in columns.items() if name} | ({"slices": slices} if slices else {})


def heads_of(roles: RowRoles, entities: bool, several: bool) -> tuple[Head, ...]:
    """Return the heads that can learn from a layout.

    Args:
        roles: roles of the fields; one of them may be the class.
        entities: whether a field holds entities or tags.
        several: whether rows have several labels.
    """
    present: dict[Head, bool] = {"sentence": roles.label is not None, "labels": several, "tokens": entities}
    return tuple(head for head in HEADS if present[head])
