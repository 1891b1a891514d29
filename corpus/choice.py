"""Choices by name, as a person types them."""

import difflib
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


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean 'WORD'?` with the choice that is closest to a word, or nothing."""
    by_case = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), list(by_case), n=1, cutoff=0.6)
    return f"; did you mean {by_case[close[0]]!r}?" if close else ""
