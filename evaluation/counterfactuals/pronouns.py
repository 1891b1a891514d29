"""Substitution of the pronouns of a text, all forms together; ambiguous texts are left unchanged.

Two English forms are ambiguous: `her` (him, his) and `his` (her, hers). The next word resolves them; if it does not,
there is no swap, since an ungrammatical text would say nothing about bias.
"""

import re
from collections.abc import Mapping, Sequence

from assay.evaluation.counterfactuals.term_matching import (
    TermFinder,
    TermMatch,
    TermPosition,
    choose,
    word_after,
    word_before,
)
from assay.evaluation.counterfactuals.text_replacement import Replacement, in_case_of
from assay.recipes.term_lists import Grammar, TermList

SUBJECT, OBJECT, DETERMINER = "subject", "object", "determiner"
_WORDS = re.compile(r"\w+")
# The short forms of will, would and had agree with singular and plural.
_CONTRACTED = re.compile(r"['’](?:ll|d)\b")


def swap_pronouns(
    texts: Sequence[str], terms: TermList, grammar: Grammar, finder: TermFinder, key: str
) -> list[list[Replacement]] | None:
    """Replace every form of a kind by the same form of another kind.

    Args:
        texts: texts of one row.
        terms: list of forms.
        grammar: rules that disambiguate the forms.
        finder: finder of the forms.
        key: id of the row; the same row always changes in the same way.

    Returns:
        Replacements in each text; None if there is nothing to replace, or the replacement is ambiguous.
    """
    if any(word.lower() in grammar.unsupported for text in texts for word in _WORDS.findall(text)):
        return None
    positions_of_texts: list[list[tuple[TermMatch, TermPosition]]] = []
    for text in texts:
        positioned = [(match, _position_of(text, match, grammar)) for match in finder.find(text)]
        if any(position is None for _, position in positioned):
            return None
        positions_of_texts.append([(match, position) for match, position in positioned if position is not None])
    target = _target(texts, positions_of_texts, terms, grammar, key)
    if target is None:
        return None
    return [
        [_replacement(text, match, position, terms, target) for match, position in matches]
        for text, matches in zip(texts, positions_of_texts, strict=True)
    ]


def _position_of(text: str, match: TermMatch, grammar: Grammar) -> TermPosition | None:
    """Return the form of a match; None if it is ambiguous."""
    if len(match.positions) == 1:
        return match.positions[0]
    groups = {position.group: position for position in match.positions}
    after = (word_after(text, match.end) or "").lower()
    if not after or after in grammar.not_before_noun:
        return next(position for group, position in groups.items() if group != DETERMINER)
    before = (word_before(text, match.start) or "").lower()
    if after in grammar.unclear or (OBJECT in groups and before in grammar.ditransitive):
        return None
    return groups.get(DETERMINER)


def _target(
    texts: Sequence[str],
    positions_of_texts: Sequence[Sequence[tuple[TermMatch, TermPosition]]],
    terms: TermList,
    grammar: Grammar,
    key: str,
) -> Mapping[str, str] | None:
    """Return the new kind of each kind in the texts; None if there is no clear choice."""
    kinds = sorted({position.kind for matches in positions_of_texts for _, position in matches})
    if len(kinds) > 1:
        return dict(zip(kinds, reversed(kinds), strict=True)) if len(kinds) == 2 else None
    groups = {position.group for matches in positions_of_texts for _, position in matches}
    choices = sorted(set.intersection(*(set(terms.kinds(group)) for group in groups)) - set(kinds)) if groups else []
    if not _verbs_stay(texts, positions_of_texts, grammar):
        choices = [kind for kind in choices if kind not in grammar.plural_verbs]
    return {kinds[0]: choose(choices, key)} if choices else None


def _verbs_stay(
    texts: Sequence[str], positions_of_texts: Sequence[Sequence[tuple[TermMatch, TermPosition]]], grammar: Grammar
) -> bool:
    """Return whether every verb after a subject has the same form in singular and plural."""
    return all(
        _same_for_many(text, match.end, grammar)
        for text, matches in zip(texts, positions_of_texts, strict=True)
        for match, position in matches
        if position.group == SUBJECT
    )


def _same_for_many(text: str, end: int, grammar: Grammar) -> bool:
    verb = (word_after(text, end) or "").lower()
    return bool(_CONTRACTED.match(text, end)) or verb in grammar.same_in_plural or verb.endswith("ed")


def _replacement(
    text: str, match: TermMatch, position: TermPosition, terms: TermList, target: Mapping[str, str]
) -> Replacement:
    chosen = terms.kinds(position.group)[target[position.kind]][0]
    return Replacement(match.start, match.end, in_case_of(text[match.start : match.end], position.term, chosen))
