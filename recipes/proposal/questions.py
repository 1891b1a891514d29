"""A choice that only the user can make: one line with the candidates and the option that decides."""

import shlex
from collections.abc import Sequence

from assay.corpus.errors import AssayError
from assay.recipes.proposal.field_profile import FieldProfile

SHOWN_VALUES = 4
SHOWN_CHARACTERS = 30
SHOWN_FIELDS = 6
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
    names = [argument(candidate.name) for candidate in candidates[:SHOWN_FIELDS]]
    more = len(candidates) - len(names)
    fields = "; ".join(describe_values(candidate) for candidate in candidates[:SHOWN_FIELDS])
    others = f"; and {more} more" if more else ""
    choices = ["FIELD"] if more else names
    return AmbiguousError(
        f"{len(candidates)} fields may hold {what}: {fields}{others}. Which is it? Add {option} "
        f"{' or '.join([*choices, *([NONE] if optional else [])])}"
    )


def argument(text: str) -> str:
    """Return a text as it is typed in a shell: in quotes where it needs them."""
    return shlex.quote(text)


def describe_values(profile: FieldProfile) -> str:
    """Return the name of a field with its most frequent values, such as `rating (5, 4, 1, 3, …)`."""
    frequent = [value for value, _ in profile.counts.most_common(SHOWN_VALUES)]
    # Of texts, one shows what they are.
    shown = frequent[:1] if any(len(value) > SHOWN_CHARACTERS for value in frequent) else frequent
    values = [value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…" for value in shown]
    rest = ", …" if profile.distinct > len(shown) else ""
    return f"{profile.name} ({', '.join(values)}{rest})" if values else profile.name
