"""The pronouns of a text changed together, with their forms; a text that is not clear is left alone.

English has two forms that stand for two: `her` (him, his) and `his` (her, hers). The word behind tells which it is;
where it does not, there is no swap, since an ungrammatical text would say nothing about bias.
"""

import re
from collections.abc import Mapping, Sequence

from assay.evaluation.counterfactuals.term_matching import (
    Finder,
    TermMatch,
    TermPosition,
    get_path,
    word_after,
    word_before,
)
from assay.evaluation.counterfactuals.text_replacement import Replacement, in_case_of
from assay.recipes.term_lists import Grammar, TermList

SUBJECT, OBJECT, DETERMINER = "subject", "object", "determiner"
_WORDS = re.compile(r"\w+")
# The short forms of will, would and had go with one and many alike.
_CONTRACTED = re.compile(r"['’](?:ll|d)\b")


def swap_pronouns(
    texts: Sequence[str], terms: TermList, grammar: Grammar, finder: Finder, key: str
) -> list[list[Replacement]] | None:
    """Replace every form of a kind by the same form of another kind.

    Args:
        texts: of one row.
        terms: the list of forms.
        grammar: what tells the forms apart.
        finder: of the forms.
        key: of the row; the same row is always changed in the same way.

    Returns:
        Replacements in each text; None where there is nothing to replace, or it is not clear how.
    """
    if any(word.lower() in grammar.leave_alone for text in texts for word in _WORDS.findall(text)):
        return None
    placed: list[list[tuple[TermMatch, TermPosition]]] = []
    for text in texts:
        places = [(one, _place_of(text, one, grammar)) for one in finder.find(text)]
        if any(place is None for _, place in places):
            return None
        placed.append([(one, place) for one, place in places if place is not None])
    target = _target(texts, placed, terms, grammar, key)
    if target is None:
        return None
    return [
        [_replacement(text, one, place, terms, target) for one, place in each]
        for text, each in zip(texts, placed, strict=True)
    ]


def _place_of(text: str, one: TermMatch, grammar: Grammar) -> TermPosition | None:
    """Which form it is; None where the text does not tell."""
    if len(one.places) == 1:
        return one.places[0]
    groups = {place.group: place for place in one.places}
    after = (word_after(text, one.end) or "").lower()
    if not after or after in grammar.no_noun:
        return next(place for group, place in groups.items() if group != DETERMINER)
    before = (word_before(text, one.start) or "").lower()
    if after in grammar.unclear or (OBJECT in groups and before in grammar.two_objects):
        return None
    return groups.get(DETERMINER)


def _target(
    texts: Sequence[str],
    placed: Sequence[Sequence[tuple[TermMatch, TermPosition]]],
    terms: TermList,
    grammar: Grammar,
    key: str,
) -> Mapping[str, str] | None:
    """Kind -> the kind that takes its place."""
    kinds = sorted({place.kind for each in placed for _, place in each})
    if len(kinds) > 1:
        return dict(zip(kinds, reversed(kinds), strict=True)) if len(kinds) == 2 else None
    groups = {place.group for each in placed for _, place in each}
    choices = sorted(set.intersection(*(set(terms.kinds(group)) for group in groups)) - set(kinds)) if groups else []
    if not _verbs_stay(texts, placed, grammar):
        choices = [kind for kind in choices if kind not in grammar.plural_verbs]
    return {kinds[0]: get_path(choices, key)} if choices else None


def _verbs_stay(
    texts: Sequence[str], placed: Sequence[Sequence[tuple[TermMatch, TermPosition]]], grammar: Grammar
) -> bool:
    """Whether every verb behind a subject is the same for one and for many."""
    return all(
        _same_for_many(text, one.end, grammar)
        for text, each in zip(texts, placed, strict=True)
        for one, place in each
        if place.group == SUBJECT
    )


def _same_for_many(text: str, end: int, grammar: Grammar) -> bool:
    verb = (word_after(text, end) or "").lower()
    return bool(_CONTRACTED.match(text, end)) or verb in grammar.same_for_many or verb.endswith("ed")


def _replacement(
    text: str, one: TermMatch, place: TermPosition, terms: TermList, target: Mapping[str, str]
) -> Replacement:
    chosen = terms.kinds(place.group)[target[place.kind]][0]
    return Replacement(one.start, one.end, in_case_of(text[one.start : one.end], place.term, chosen))
