"""Values of a class that can be read in two ways: the user decides, since each reading trains another model."""

import json
from collections import defaultdict

from assay.corpus.documents.values import folded
from assay.corpus.plural import counted
from assay.recipes.proposal.field_profile import FieldProfile
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.label_cells import combines, separator_of
from assay.recipes.proposal.questions import AmbiguousError, argument

# What programs and people write for a missing value.
_MISSING_VALUES = frozenset(
    {"na", "n/a", "#n/a", "<na>", "nan", "null", "nil", "-", "--", "?", "\\n", "not labelled",
     "no label", "unannotated", "not annotated"}
)  # fmt: skip
# Beside the numbers of two or more classes, this one may mean that there is none.
_NO_NUMBER = "-1"
_SHOWN = 4


def check_class(profile: FieldProfile, choices: Choices) -> None:
    """Ask what the values of the class mean, where the user has not said it yet.

    Raises:
        AmbiguousError: a value may mean that a row has no class, values differ in case or white space alone, or cells
            may hold several labels.
    """
    check_values(profile, choices)
    if choices.label is None:
        _check_several(profile)


def check_values(profile: FieldProfile, choices: Choices) -> None:
    """Ask what values mean that are whole classes, as those of an annotation tool are.

    Raises:
        AmbiguousError: a value may mean that a row has no class, or values differ in case or white space alone.
    """
    if "no_label" not in choices.settings:
        _check_missing(profile)
    if "fold_labels" not in choices.settings:
        _check_variants(profile)


def _check_missing(profile: FieldProfile) -> None:
    found = [value for value in profile.counts if _may_be_missing(value, profile)]
    if found:
        rows = sum(profile.counts[value] for value in found)
        # Without a value for none, rows with an empty class would be rejected.
        empty = [""] if profile.present < profile.documents else []
        leave_out, keep = (
            argument(f"source.no_label={json.dumps(values, ensure_ascii=False)}") for values in (found, empty)
        )
        raise AmbiguousError(
            f"{counted(rows, 'row')} with {' or '.join(found)} in {profile.name}: is that a class, or no class? Add "
            f"--set {leave_out} to leave these rows out, or --set {keep} if it is a class"
        )


def _may_be_missing(value: str, profile: FieldProfile) -> bool:
    if value == _NO_NUMBER:
        others = [other for other in profile.counts if other != _NO_NUMBER]
        return len(others) > 1 and all(map(str.isdecimal, others))
    word = value.strip().lower()
    return word in _MISSING_VALUES or word.startswith("unlabel")  # in either spelling


def _check_variants(profile: FieldProfile) -> None:
    variants: dict[str, list[str]] = defaultdict(list)
    for value in profile.counts:
        variants[folded(value)].append(value)
    alike = next((values for values in variants.values() if len(values) > 1), None)
    if alike is not None:
        shown = ", ".join(f"{value!r} ({profile.counts[value]})" for value in alike[:_SHOWN])
        raise AmbiguousError(
            f"values of {profile.name} differ in case or white space alone: {shown}. Are they one class? Add "
            "--set source.fold_labels=true, or --set source.fold_labels=false to keep them apart"
        )


def _check_several(profile: FieldProfile) -> None:
    separator = separator_of(profile)
    if separator is None or not combines(profile, separator):
        return
    example = next(value for value in profile.counts if separator in value)
    name = argument(profile.name)
    raise AmbiguousError(
        f"cells of {profile.name} such as {example!r} may hold several labels, or one class. Which is it? Add "
        f"--labels {name} or --label {name}"
    )
