"""Fields that hold labels of which any number may apply: lists, delimited cells, columns of 0 and 1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.corpus.documents.values import MISSING, get_path, is_missing
from assay.corpus.errors import AssayError
from assay.recipes.proposal.field_profile import FieldProfile
from assay.recipes.proposal.field_roles import Choices, last_part, separate_names
from assay.recipes.proposal.label_cells import SEPARATORS, are_labels, separator_of
from assay.recipes.proposal.questions import NONE

Documents = Sequence[Mapping[str, Any]]
# Names of fields whose cells may hold several labels.
SEVERAL_NAMES = ("labels", "topics", "tags", "categories", "genres", "themes", "keywords", "emotions")
# What doccano writes between the labels of a cell; names such as C# end with it.
TABLE_SEPARATOR = "#"
# A column of 0 and 1 may be anything; so many of them beside a text are labels.
LEAST_SWITCHES = 3
_SWITCH_VALUES = {"0", "1", "true", "false"}


@dataclass(frozen=True)
class RowLabelFields:
    """A field with a list of labels (or a cell with a separator), or the columns of 0 and 1."""

    fields: str | list[str]
    separator: str | None = None

    @property
    def names(self) -> list[str]:
        """Return the fields."""
        return [self.fields] if isinstance(self.fields, str) else self.fields


def find_row_labels(
    documents: Documents, profiles: Mapping[str, FieldProfile], choices: Choices
) -> RowLabelFields | None:
    """Return where the labels of a row stand; None if it has a single class, also in a list, or none.

    Raises:
        AssayError: a field that the user names holds no labels.
    """
    if choices.labels is not None:
        return _named(documents, profiles, choices.labels)
    if choices.label not in (None, NONE):
        return None
    for name, profile in profiles.items():
        if profile.kind == "words" and _are_labels(documents, name) and not _hold_class(documents, name):
            return RowLabelFields(name)
    switches = [name for name, profile in profiles.items() if _is_switch(profile)]
    if len(switches) >= LEAST_SWITCHES:
        return RowLabelFields(switches)
    named = [name for name, profile in profiles.items() if profile.kind == "text" and last_part(name) in SEVERAL_NAMES]
    for name in named:
        if (separator := separator_of(profiles[name])) is not None:
            return RowLabelFields(name, separator)
    for name, profile in profiles.items():
        is_label = profile.kind == "text" and last_part(name) in ("label", "labels")
        if is_label and separator_of(profile, (TABLE_SEPARATOR,)) is not None:
            return RowLabelFields(name, TABLE_SEPARATOR)
    return None


def listed_classes(documents: Documents, profiles: Mapping[str, FieldProfile]) -> dict[str, FieldProfile]:
    """Return the fields that hold a class as a list of one or none, each with the profile of the classes."""
    found = {}
    for name, profile in profiles.items():
        if profile.kind == "words" and _hold_class(documents, name):
            found[name] = FieldProfile(name, len(documents))
            for items in (get_path(document, name) for document in documents):
                if isinstance(items, list | tuple) and items:
                    found[name].add(items[0])
    return found


def _hold_class(documents: Documents, name: str) -> bool:
    """Return whether the lists of a field hold one item or, where the row has no class, none.

    A single name that some rows have is a label that applies or does not.
    """
    values = [get_path(document, name) for document in documents]
    lists = [value for value in values if value is not MISSING and not is_missing(value)]
    if not all(isinstance(items, list | tuple) and len(items) <= 1 for items in lists):
        return False
    classes = [items[0] for items in lists if items]
    return len(classes) == len(values) or len(set(map(str, classes))) > 1


def _named(documents: Documents, profiles: Mapping[str, FieldProfile], labels: str) -> RowLabelFields | None:
    if labels == NONE:
        return None
    names = separate_names(labels)
    if len(names) == 1 and (profile := profiles[names[0]]).kind in ("words", "list", "text"):
        separators = (*SEPARATORS, TABLE_SEPARATOR)
        return RowLabelFields(names[0], separator_of(profile, separators) if profile.kind == "text" else None)
    for name in names:
        if not _is_switch(profiles[name]):
            raise AssayError(
                f"--labels {labels}: {name} holds neither lists nor 0 and 1; name a field with lists or cells with a "
                "separator, or the columns of 0 and 1, separated by commas"
            )
    return RowLabelFields(names)


def _are_labels(documents: Documents, name: str) -> bool:
    """Return whether the lists of a field hold labels, each of them once."""
    lists = [value for document in documents if isinstance(value := get_path(document, name), list | tuple)]
    labels = (item for items in lists for item in items if isinstance(item, str))
    return are_labels(labels) and all(len(set(items)) == len(items) for items in lists)


def _is_switch(profile: FieldProfile) -> bool:
    return (
        profile.kind in ("number", "boolean", "text")
        and 1 <= profile.distinct <= 2
        and (set(map(str.lower, profile.counts)) <= _SWITCH_VALUES)
    )
