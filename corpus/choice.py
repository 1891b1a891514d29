"""Choices by name, as a person types them."""

from collections.abc import Iterable
from typing import TypeVar

from assay.corpus.errors import AssayError

Choice = TypeVar("Choice", bound=str)


def choose(name: str, choices: Iterable[Choice], refusal: str) -> Choice:
    """Return the choice with the given name, typed as a choice.

    Args:
        name: the name as typed.
        choices: the valid choices.
        refusal: message of the error when the name is not a valid choice.

    Raises:
        AssayError: the name is not a valid choice.
    """
    for choice in choices:
        if choice == name:
            return choice
    raise AssayError(refusal)
