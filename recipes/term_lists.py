"""Lists of interchangeable terms: the shipped English lists, and those of a recipe."""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import Field

from assay.corpus.settings import StrictModel

ShippedList = Literal["names", "pronouns", "nationalities", "religions"]
SHIPPED_LISTS: tuple[ShippedList, ...] = get_args(ShippedList)
_FOLDER = Path(__file__).parent / "terms"
_SLOT = re.compile(r"\{([^{}]*)\}")


class Grammar(StrictModel):
    """Word lists needed to change the pronouns of an English text; see the comments in `terms/pronouns.yaml`."""

    replacement_only: frozenset[str]
    plural_verbs: frozenset[str]
    not_before_noun: frozenset[str]
    unclear: frozenset[str]
    ditransitive: frozenset[str]
    same_in_plural: frozenset[str]
    unsupported: frozenset[str]


class TermList(StrictModel):
    """Groups of terms. Within a group, a term may be replaced by any term of another kind.

    Args:
        sources: literature that the terms were taken from.
        language: en: adjust `a` and `an` before a term.
        together: change all terms of a text from one kind to another together, whatever their group.
        within_names: whether to replace a term that seems to be part of a longer proper name.
        groups: group -> kind -> terms; a plain list is short for one kind per term.
        grammar: word lists for pronouns.
    """

    sources: list[str] = Field(default_factory=list)
    language: Literal["en"] | None = None
    together: bool = False
    within_names: bool = True
    groups: dict[str, dict[str, list[str]] | list[str]]
    grammar: Grammar | None = None

    def kinds(self, group: str) -> Mapping[str, Sequence[str]]:
        """Return the terms of a group by kind."""
        terms = self.groups[group]
        return terms if isinstance(terms, dict) else {term: [term] for term in terms}

    def terms(self, group: str | None = None) -> list[str]:
        """Return every term of a group, or of the whole list, once."""
        groups = self.groups if group is None else [group]
        return list(dict.fromkeys(term for name in groups for kind in self.kinds(name).values() for term in kind))


@functools.cache
def shipped_list(name: ShippedList) -> TermList:
    """Read a term list of `recipes/terms/`."""
    return TermList.model_validate(yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def own_list(key: str, groups: Sequence[Sequence[str]]) -> TermList:
    """Build the term list that a recipe defines.

    Raises:
        ValueError: a group holds fewer than two terms, a duplicate, or a blank term.
    """
    for group in groups:
        terms = {term.strip().lower() for term in group}
        if len(terms) < 2 or len(terms) < len(group) or "" in terms:
            raise ValueError(f"{key} holds the group {list(group)!r}; a group needs at least two different terms")
    if not groups:
        raise ValueError(f"{key} holds no group; write [[term, other term], ...]")
    return TermList(groups={str(number): list(group) for number, group in enumerate(groups, 1)})


def slots_of(template: str) -> list[tuple[str, str | None]]:
    """Return the slots of a template in order, each as its list and its group; None if it names no group."""
    parts = [slot.partition(".") for slot in _SLOT.findall(template)]
    return [(name, group if dot else None) for name, dot, group in parts]


def check_template(template: str, lists: Mapping[str, TermList]) -> None:
    """Refuse a template that cannot be filled.

    Raises:
        ValueError: it has no slot, a slot with an unknown list or group, or slots that do not go together.
    """
    slots = slots_of(template)
    prefix = f"gate.counterfactual.templates: {template!r:.80}"
    if not slots:
        raise ValueError(f"{prefix} has no slot; write {{{next(iter(lists), 'names')}}} where the terms belong")
    for name, group in slots:
        if name not in lists:
            raise ValueError(f"{prefix} names the list {name!r}; this gate has {', '.join(lists) or 'none'}")
        if group is not None and group not in lists[name].groups:
            raise ValueError(f"{prefix} names the group {group!r}; {name} has {', '.join(lists[name].groups)}")
        if group is None and lists[name].together:
            first = next(iter(lists[name].groups))
            raise ValueError(f"{prefix} does not name a group of {name}; write for example {{{name}.{first}}}")
    if len({name for name, _ in slots}) > 1 or (len(set(slots)) > 1 and not lists[slots[0][0]].together):
        raise ValueError(f"{prefix} has slots that cannot be filled together; use one slot per template")


def fill(template: str, terms: Mapping[tuple[str, str | None], str]) -> tuple[str, list[tuple[int, int]]]:
    """Fill every slot of a template with its term.

    Returns:
        The text, capitalised if it begins with a slot, and the spans of the terms in it.
    """
    text, spans, end = "", [], 0
    for match, slot in zip(_SLOT.finditer(template), slots_of(template), strict=True):
        text += template[end : match.start()]
        term = terms[slot] if text else terms[slot][:1].upper() + terms[slot][1:]
        spans.append((len(text), len(text) + len(term)))
        text, end = text + term, match.end()
    return text + template[end:], spans
