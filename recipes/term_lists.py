"""Lists of terms that may stand for each other: the shipped English ones, and those of a recipe."""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import Field

from assay.corpus.settings import Closed

ShippedList = Literal["names", "pronouns", "nationalities", "religions"]
SHIPPED_LISTS: tuple[ShippedList, ...] = get_args(ShippedList)
_FOLDER = Path(__file__).parent / "terms"
_SLOT = re.compile(r"\{([^{}]*)\}")


class Grammar(Closed):
    """What it takes to change the pronouns of an English text; see the comments in `terms/pronouns.yaml`."""

    only_put_in: frozenset[str]
    plural_verbs: frozenset[str]
    no_noun: frozenset[str]
    unclear: frozenset[str]
    two_objects: frozenset[str]
    same_for_many: frozenset[str]
    leave_alone: frozenset[str]


class TermList(Closed):
    """Groups of terms. In a group, a term may stand for each one of another kind.

    Args:
        sources: where the terms were taken from.
        language: en: `a` and `an` before a term are kept right.
        together: all terms of a text change from one kind to another together, whatever their group.
        within_names: whether a term counts that seems to be part of a longer proper name.
        groups: group -> kind -> terms; a mere list stands for kinds of one term each.
        grammar: of pronouns.
    """

    sources: list[str] = Field(default_factory=list)
    language: Literal["en"] | None = None
    together: bool = False
    within_names: bool = True
    groups: dict[str, dict[str, list[str]] | list[str]]
    grammar: Grammar | None = None

    def kinds(self, group: str) -> Mapping[str, Sequence[str]]:
        """Terms of a group, by kind."""
        terms = self.groups[group]
        return terms if isinstance(terms, dict) else {term: [term] for term in terms}

    def terms(self, group: str | None = None) -> list[str]:
        """Every term of a group, or of the whole list, once."""
        groups = self.groups if group is None else [group]
        return list(dict.fromkeys(term for name in groups for kind in self.kinds(name).values() for term in kind))


@functools.cache
def shipped_list(name: ShippedList) -> TermList:
    """A list of `recipes/terms/`."""
    return TermList.model_validate(yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def own_list(key: str, groups: Sequence[Sequence[str]]) -> TermList:
    """A list that a recipe writes down itself.

    Raises:
        ValueError: a group holds fewer than two terms, or a term twice or blank.
    """
    for group in groups:
        terms = {term.strip().lower() for term in group}
        if len(terms) < 2 or len(terms) < len(group) or "" in terms:
            raise ValueError(f"{key} holds the group {list(group)!r}; a group needs two or more different terms")
    if not groups:
        raise ValueError(f"{key} holds no group; write [[one term, another], ...]")
    return TermList(groups={str(number): list(group) for number, group in enumerate(groups, 1)})


def slots_of(template: str) -> list[tuple[str, str | None]]:
    """The slots of a template in order, each with its list and, where it names one, its group."""
    parts = [slot.partition(".") for slot in _SLOT.findall(template)]
    return [(name, group if dot else None) for name, dot, group in parts]


def check_template(template: str, lists: Mapping[str, TermList]) -> None:
    """Refuse a template that cannot be filled.

    Raises:
        ValueError: it has no slot, or a slot of no list or group, or slots that do not go together.
    """
    slots = slots_of(template)
    named = f"gate.counterfactual.templates: {template!r}"
    if not slots:
        raise ValueError(f"{named} has no slot; write {{{next(iter(lists), 'names')}}} where the terms belong")
    for name, group in slots:
        if name not in lists:
            raise ValueError(f"{named} names the list {name!r}; this gate has {', '.join(lists) or 'none'}")
        if group is not None and group not in lists[name].groups:
            raise ValueError(f"{named} names the group {group!r}; {name} has {', '.join(lists[name].groups)}")
        if group is None and lists[name].together:
            form = next(iter(lists[name].groups))
            raise ValueError(f"{named} does not say which form of {name} it takes; write {{{name}.{form}}}, say")
    if len({name for name, _ in slots}) > 1 or (len(set(slots)) > 1 and not lists[slots[0][0]].together):
        raise ValueError(f"{named} has slots that would be filled apart from each other; use one slot a template")


def fill(template: str, terms: Mapping[tuple[str, str | None], str]) -> tuple[str, list[tuple[int, int]]]:
    """Put a term into every slot.

    Returns:
        The text, with a capital where it begins with a slot, and the spans of the terms in it.
    """
    text, spans, end = "", [], 0
    for match, slot in zip(_SLOT.finditer(template), slots_of(template), strict=True):
        text += template[end : match.start()]
        term = terms[slot] if text else terms[slot][:1].upper() + terms[slot][1:]
        spans.append((len(text), len(text) + len(term)))
        text, end = text + term, match.end()
    return text + template[end:], spans
