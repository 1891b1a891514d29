"""A name that a person typed, as one of the choices there are."""

from collections.abc import Iterable
from typing import TypeVar

from assay.corpus.errors import AssayError

Choice = TypeVar("Choice", bound=str)


def choose(name: str, choices: Iterable[Choice], refusal: str) -> Choice:
    """The choice of that name, typed as what it is.

    Args:
        name: as typed.
        choices: what may be chosen.
        refusal: what to say where the name is none of them.

    Raises:
        AssayError: it is none of them.
    """
    for choice in choices:
        if choice == name:
            return choice
    raise AssayError(refusal)
