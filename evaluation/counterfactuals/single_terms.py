"""One term of a list put for another: a name, a nationality, a religion."""

from collections.abc import Iterator, Sequence

from assay.evaluation.counterfactuals.term_matching import Finder, TermMatch, TermPosition, get_path, word_before
from assay.evaluation.counterfactuals.text_replacement import Replacement, in_case_of
from assay.recipes.term_lists import TermList

# Words that begin with a vowel letter but not with its sound ("a European").
_CONSONANT_SOUNDS = ("eu", "uk", "ug", "uni", "us", "uru")


def swap_term(texts: Sequence[str], terms: TermList, finder: Finder, key: str) -> list[list[Replacement]] | None:
    """Replace the first term of the texts, wherever it stands in them, by one of another kind of its group.

    Args:
        texts: of one row.
        terms: the list.
        finder: of its terms.
        key: of the row; the same row always gets the same term.

    Returns:
        Replacements in each text; None where the texts hold no term.
    """
    found = [finder.find(text) for text in texts]
    place = next((one.places[0] for each in found for one in each), None)
    if place is None:
        return None
    others = [term for kind, forms in terms.kinds(place.group).items() if kind != place.kind for term in forms]
    chosen = get_path(others, key, place.term)
    return [
        [change for one in each if one.places[0] == place for change in _replace(text, one, place, chosen, terms)]
        for text, each in zip(texts, found, strict=True)
    ]


def _replace(text: str, one: TermMatch, place: TermPosition, chosen: str, terms: TermList) -> Iterator[Replacement]:
    if terms.language == "en" and (article := _new_article(text, one.start, place.term, chosen)):
        yield article
    yield Replacement(one.start, one.end, in_case_of(text[one.start : one.end], place.term, chosen))


def _new_article(text: str, start: int, term: str, chosen: str) -> Replacement | None:
    """`a` for `an` before the term, or the reverse, where the new one asks for it."""
    article = word_before(text, start)
    if article is None or article.lower() != _article(term) or _article(chosen) == _article(term):
        return None
    begin = text.rindex(article, 0, start)
    return Replacement(begin, begin + len(article), in_case_of(article, _article(term), _article(chosen)))


def _article(term: str) -> str:
    sound = term.lower()
    return "an" if sound[0] in "aeiou" and not sound.startswith(_CONSONANT_SOUNDS) else "a"
