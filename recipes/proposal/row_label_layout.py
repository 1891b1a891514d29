"""Fields that hold labels of which any number may apply: lists, delimited cells, columns of 0 and 1."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.corpus.documents.values import get_path
from assay.corpus.errors import AssayError
from assay.recipes.proposal.field_profile import LONGEST_CLASS, FieldProfile
from assay.recipes.proposal.field_roles import MIN_ROWS_PER_CLASS, MOST_CLASSES, Choices, last_part
from assay.recipes.proposal.questions import NONE

Documents = Sequence[Mapping[str, Any]]
# Names of fields whose cells may hold several labels.
SEVERAL_NAMES = ("labels", "topics", "tags", "categories", "genres", "themes", "keywords", "emotions")
SEPARATORS = (";", "|", ",")
# What doccano writes between the labels of a cell; names such as C# end with it.
TABLE_SEPARATOR = "#"
# A column of 0 and 1 may be anything; so many of them beside a text are labels.
LEAST_SWITCHES = 3
_SWITCH_VALUES = {"0", "1", "true", "false"}
# Share of the cells with several labels, from which on a separator is believed.
LEAST_SEVERAL = 0.05


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
    """Return where the labels of a row stand; None if it has a single class, or none.

    Raises:
        AssayError: a field that the user names holds no labels.
    """
    if choices.labels is not None:
        return _named(documents, profiles, choices.labels)
    if choices.label not in (None, NONE):
        return None
    for name, profile in profiles.items():
        if profile.kind == "words" and _are_labels(documents, name):
            return RowLabelFields(name)
    switches = [name for name, profile in profiles.items() if _is_switch(profile)]
    if len(switches) >= LEAST_SWITCHES:
        return RowLabelFields(switches)
    named = [name for name, profile in profiles.items() if profile.kind == "text" and last_part(name) in SEVERAL_NAMES]
    for name in named:
        if _holds_lists(profiles[name]):
            return RowLabelFields(name)
        if (separator := _separator(profiles[name])) is not None:
            return RowLabelFields(name, separator)
    for name, profile in profiles.items():
        is_label = profile.kind == "text" and last_part(name) in ("label", "labels")
        if is_label and _separator(profile, (TABLE_SEPARATOR,)) is not None:
            return RowLabelFields(name, TABLE_SEPARATOR)
    return None


def _named(documents: Documents, profiles: Mapping[str, FieldProfile], labels: str) -> RowLabelFields | None:
    if labels == NONE:
        return None
    names = [name.strip() for name in labels.split(",") if name.strip()]
    for name in names:
        if name not in profiles:
            raise AssayError(f"--labels {name}: no document has this field; fields are {', '.join(profiles)}")
    if len(names) == 1 and (profile := profiles[names[0]]).kind in ("words", "list", "text"):
        is_cell = profile.kind == "text" and not _holds_lists(profile)
        return RowLabelFields(names[0], _separator(profile) if is_cell else None)
    for name in names:
        if not _is_switch(profiles[name]):
            raise AssayError(
                f"--labels {labels}: {name} holds neither lists nor 0 and 1; name a field with lists or cells with a "
                "separator, or the columns of 0 and 1, separated by commas"
            )
    return RowLabelFields(names)


def _are_labels(documents: Documents, name: str) -> bool:
    """Return whether the lists of a field hold labels: short and few, and each on several rows."""
    lists = [value for document in documents if isinstance(value := get_path(document, name), list | tuple)]
    counts = Counter(item for items in lists for item in items if isinstance(item, str))
    return (
        1 <= len(counts) <= MOST_CLASSES
        and counts.total() >= MIN_ROWS_PER_CLASS * len(counts)
        and max(map(len, counts)) <= LONGEST_CLASS
        and all(len(set(items)) == len(items) for items in lists)
    )


def _is_switch(profile: FieldProfile) -> bool:
    return (
        profile.kind in ("number", "boolean", "text")
        and 1 <= profile.distinct <= 2
        and (set(map(str.lower, profile.counts)) <= _SWITCH_VALUES)
    )


def _holds_lists(profile: FieldProfile) -> bool:
    """Return whether cells are lists as JSON or Python writes them."""
    return bool(profile.counts) and all(cell.strip()[:1] == "[" and cell.strip()[-1:] == "]" for cell in profile.counts)


def _separator(profile: FieldProfile, separators: Sequence[str] = SEPARATORS) -> str | None:
    """Return what stands between the labels of a cell; None if cells hold one label each."""
    for separator in separators:
        several = sum(count for cell, count in profile.counts.items() if separator in cell.strip(separator))
        parts = Counter(
            part.strip() for cell, count in profile.counts.items() for part in cell.split(separator) * count
        )
        few = len(parts) <= MOST_CLASSES and parts.total() >= MIN_ROWS_PER_CLASS * len(parts)
        if several >= LEAST_SEVERAL * profile.present and few and max(map(len, parts)) <= LONGEST_CLASS:
            return separator
    return None
