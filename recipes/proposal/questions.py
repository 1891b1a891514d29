"""A choice that only the user can make: one line with the candidates and the option that decides."""

from collections.abc import Sequence

from assay.corpus.errors import AssayError
from assay.recipes.proposal.field_profile import FieldProfile

SHOWN_VALUES = 4
NONE = "none"  # value of an option that says that no field has this role


class AmbiguousError(AssayError):
    """Error for a sample that can be read in more than one way."""


def ask(what: str, option: str, candidates: Sequence[FieldProfile], *, optional: bool = False) -> AmbiguousError:
    """Return the error that asks which field has a role.

    Args:
        what: the role, such as `the class of a row`.
        option: the option of the command that decides, such as `--label`.
        candidates: fields that may have this role.
        optional: whether no field may have it.
    """
    fields = "; ".join(describe_values(candidate) for candidate in candidates)
    choices = [candidate.name for candidate in candidates] + ([NONE] if optional else [])
    return AmbiguousError(
        f"{len(candidates)} fields may hold {what}: {fields}. Which is it? Add {option} {' or '.join(choices)}"
    )


def describe_values(profile: FieldProfile) -> str:
    """Return the name of a field with its most frequent values, such as `rating (5, 4, 1, 3, …)`."""
    values = [value if len(value) <= 30 else value[:29] + "…" for value, _ in profile.counts.most_common(SHOWN_VALUES)]
    rest = ", …" if profile.distinct > SHOWN_VALUES else ""
    return f"{profile.name} ({', '.join(values)}{rest})" if values else profile.name
