"""Texts that should be answered alike: a row and its counterfactual, or a template with each of its terms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.corpus.example import Example
from assay.evaluation.counterfactuals.pronouns import swap_pronouns
from assay.evaluation.counterfactuals.single_terms import swap_term
from assay.evaluation.counterfactuals.term_matching import Finder
from assay.evaluation.counterfactuals.text_replacement import Kept, Replacement, replace_words
from assay.evaluation.labelled_predictions import row_of
from assay.recipes.term_lists import TermList, fill, slots_of
from assay.serving.engine import Row


@dataclass(frozen=True, slots=True)
class Variant:
    """One text of a family; `kept` maps what the family shares to it, `words` are those that differ."""

    row: Row
    kept: tuple[Kept, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Family:
    """Texts that differ only in who or what they are about.

    `shared` is the text that offsets of `kept` refer to. Of a template no text is the right one, and `original`
    is None.
    """

    name: str
    shared: str
    original: Variant | None
    variants: tuple[Variant, ...]


def families_of_rows(examples: Sequence[Example], terms: TermList, *, pair: bool) -> Iterator[Family]:
    """A family of two for each row that holds a term and whose counterfactual is clear.

    Args:
        examples: rows.
        terms: one list.
        pair: whether the model reads two texts; the words change in both.
    """
    finder = Finder(terms)
    for example in examples:
        row = row_of(example, pair)
        texts = [text for text in (row.text, row.text_pair) if text is not None]
        changes = _changes(texts, terms, finder, example.id)
        if changes is not None:
            yield _family(example.id, row, texts, changes)


def families_of_template(template: str, lists: Mapping[str, TermList]) -> Iterator[Family]:
    """One family: the template with each term of its list, or with each kind where forms change together."""
    slots = list(dict.fromkeys(slots_of(template)))
    terms = lists[slots[0][0]]
    filled = [fill(template, one) for one in _fillings(slots, terms)]
    variants = []
    for text, spans in filled:
        blanks = [Replacement(start, end, "") for start, end in spans]
        shared, kept = replace_words(text, blanks)
        flipped = tuple(Kept(one.second, one.first, one.length) for one in kept)
        variants.append(Variant(Row(text), flipped, " ".join(text[start:end] for start, end in spans[:1])))
    if len(variants) > 1:
        yield Family(f"template {template!r}", shared, None, tuple(variants))


def _fillings(
    slots: Sequence[tuple[str, str | None]], terms: TermList
) -> Iterator[Mapping[tuple[str, str | None], str]]:
    if not terms.together:
        for term in terms.terms(slots[0][1]):
            yield {slots[0]: term}
        return
    forms = [terms.kinds(group) for _, group in slots if group is not None]
    for kind in forms[0]:
        if all(kind in form for form in forms):
            yield {slot: form[kind][0] for slot, form in zip(slots, forms, strict=True)}


def _changes(texts: Sequence[str], terms: TermList, finder: Finder, key: str) -> list[list[Replacement]] | None:
    if terms.together and terms.grammar is not None:
        return swap_pronouns(texts, terms, terms.grammar, finder, key)
    return swap_term(texts, terms, finder, key)


def _family(name: str, row: Row, texts: Sequence[str], changes: Sequence[Sequence[Replacement]]) -> Family:
    made = [replace_words(text, each) for text, each in zip(texts, changes, strict=True)]
    new_texts, kept = [text for text, _ in made], made[0][1]
    swapped = Row(new_texts[0], new_texts[1] if row.text_pair is not None else None)
    # Entities are found in the first text only, so that what is kept of the second is not needed.
    original = Variant(row, tuple(Kept(one.first, one.first, one.length) for one in kept), "")
    return Family(name, row.text, original, (Variant(swapped, kept, _words(texts, changes)),))


def _words(texts: Sequence[str], changes: Sequence[Sequence[Replacement]]) -> str:
    """What was put for what: the longest word, which is never a mere article."""
    replaced = [
        (text[one.start : one.end], one.text) for text, each in zip(texts, changes, strict=True) for one in each
    ]
    old, new = max(replaced, key=lambda words: len(words[0]))
    return f"{old} → {new}"
