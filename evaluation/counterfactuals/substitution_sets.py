"""Sets of texts that must get the same prediction: a row and its counterfactual, or a template with each term."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.corpus.example import Example
from assay.evaluation.counterfactuals.pronouns import swap_pronouns
from assay.evaluation.counterfactuals.single_terms import swap_term
from assay.evaluation.counterfactuals.term_matching import TermFinder
from assay.evaluation.counterfactuals.text_replacement import Replacement, SharedSpan, replace_words
from assay.evaluation.labelled_predictions import row_of
from assay.recipes.term_lists import TermList, fill, slots_of
from assay.serving.engine import Row


@dataclass(frozen=True, slots=True)
class SubstitutionText:
    """One text of a substitution set. `shared_spans` maps the shared text to it; `words` are the words that differ."""

    row: Row
    shared_spans: tuple[SharedSpan, ...]
    words: str


@dataclass(frozen=True, slots=True)
class SubstitutionSet:
    """Texts that differ only in who or what they are about.

    The first offsets of `shared_spans` refer to `shared_text`. `original` is None for a template, none of whose texts
    is the reference.
    """

    name: str
    shared_text: str
    original: SubstitutionText | None
    counterfactuals: tuple[SubstitutionText, ...]


def sets_of_rows(examples: Sequence[Example], terms: TermList, *, pair: bool) -> Iterator[SubstitutionSet]:
    """Yield a set of original and counterfactual for each row that holds a term and has an unambiguous counterfactual.

    Args:
        examples: rows.
        terms: list of terms.
        pair: whether the model reads two texts; the words change in both.
    """
    finder = TermFinder(terms)
    for example in examples:
        row = row_of(example, pair)
        texts = [text for text in (row.text, row.text_pair) if text is not None]
        changes = _changes(texts, terms, finder, example.id)
        if changes is not None:
            yield _substitution_set(example.id, row, texts, changes)


def sets_of_template(template: str, lists: Mapping[str, TermList]) -> Iterator[SubstitutionSet]:
    """Yield one set: the template with each term of its list, or with each kind if its forms change together."""
    slots = list(dict.fromkeys(slots_of(template)))
    terms = lists[slots[0][0]]
    filled = [fill(template, filling) for filling in _fillings(slots, terms)]
    counterfactuals = []
    for text, spans in filled:
        blanks = [Replacement(start, end, "") for start, end in spans]
        shared_text, shared_spans = replace_words(text, blanks)
        flipped = tuple(SharedSpan(span.second, span.first, span.length) for span in shared_spans)
        counterfactuals.append(
            SubstitutionText(Row(text), flipped, " ".join(text[start:end] for start, end in spans[:1]))
        )
    if len(counterfactuals) > 1:
        yield SubstitutionSet(f"template {template!r}", shared_text, None, tuple(counterfactuals))


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


def _changes(texts: Sequence[str], terms: TermList, finder: TermFinder, key: str) -> list[list[Replacement]] | None:
    if terms.together and terms.grammar is not None:
        return swap_pronouns(texts, terms, terms.grammar, finder, key)
    return swap_term(texts, terms, finder, key)


def _substitution_set(
    name: str, row: Row, texts: Sequence[str], changes: Sequence[Sequence[Replacement]]
) -> SubstitutionSet:
    replaced_texts = [replace_words(text, replacements) for text, replacements in zip(texts, changes, strict=True)]
    new_texts, shared_spans = [text for text, _ in replaced_texts], replaced_texts[0][1]
    swapped = Row(new_texts[0], new_texts[1] if row.text_pair is not None else None)
    # Entities are predicted in the first text only, so that the shared spans of the second are not needed.
    original = SubstitutionText(
        row, tuple(SharedSpan(span.first, span.first, span.length) for span in shared_spans), ""
    )
    return SubstitutionSet(name, row.text, original, (SubstitutionText(swapped, shared_spans, _words(texts, changes)),))


def _words(texts: Sequence[str], changes: Sequence[Sequence[Replacement]]) -> str:
    """Return the replaced and the new word: the longest one, which is never an article."""
    replaced = [
        (text[change.start : change.end], change.text)
        for text, replacements in zip(texts, changes, strict=True)
        for change in replacements
    ]
    old, new = max(replaced, key=lambda words: len(words[0]))
    return f"{old} → {new}"
