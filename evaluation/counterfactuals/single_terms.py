"""Substitution of single terms of a list: a name, a nationality, a religion."""

from collections.abc import Iterator, Sequence

from assay.evaluation.counterfactuals.term_matching import TermFinder, TermMatch, TermPosition, choose, word_before
from assay.evaluation.counterfactuals.text_replacement import Replacement, in_case_of
from assay.recipes.term_lists import TermList

# Words that begin with a vowel letter but not with its sound ("a European").
_CONSONANT_SOUNDS = ("eu", "uk", "ug", "uni", "us", "uru")


def swap_term(texts: Sequence[str], terms: TermList, finder: TermFinder, key: str) -> list[list[Replacement]] | None:
    """Replace all occurrences of the first term of the texts by a term of another kind of its group.

    Args:
        texts: texts of one row.
        terms: list of terms.
        finder: finder of these terms.
        key: id of the row; the same row always gets the same term.

    Returns:
        Replacements in each text; None if the texts hold no term.
    """
    matches_of_texts = [finder.find(text) for text in texts]
    position = next((match.positions[0] for matches in matches_of_texts for match in matches), None)
    if position is None:
        return None
    alternatives = [
        term for kind, forms in terms.kinds(position.group).items() if kind != position.kind for term in forms
    ]
    chosen = choose(alternatives, key, position.term)
    return [
        [
            change
            for match in matches
            if match.positions[0] == position
            for change in _replace(text, match, position, chosen, terms)
        ]
        for text, matches in zip(texts, matches_of_texts, strict=True)
    ]


def _replace(
    text: str, match: TermMatch, position: TermPosition, chosen: str, terms: TermList
) -> Iterator[Replacement]:
    if terms.language == "en" and (article := _new_article(text, match.start, position.term, chosen)):
        yield article
    yield Replacement(match.start, match.end, in_case_of(text[match.start : match.end], position.term, chosen))


def _new_article(text: str, start: int, term: str, chosen: str) -> Replacement | None:
    """Return the replacement of `a` by `an` before the term, or the reverse, if the new term needs it; else None."""
    article = word_before(text, start)
    if article is None or article.lower() != _article(term) or _article(chosen) == _article(term):
        return None
    begin = text.rindex(article, 0, start)
    return Replacement(begin, begin + len(article), in_case_of(article, _article(term), _article(chosen)))


def _article(term: str) -> str:
    sound = term.lower()
    return "an" if sound[0] in "aeiou" and not sound.startswith(_CONSONANT_SOUNDS) else "a"
