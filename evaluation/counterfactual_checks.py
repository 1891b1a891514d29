"""Counterfactual checks: predictions must not change if one name, pronoun, nationality or religion replaces another."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from assay.corpus.example import Entity, Example
from assay.evaluation.counterfactuals.substitution_sets import (
    SubstitutionSet,
    SubstitutionText,
    sets_of_rows,
    sets_of_template,
)
from assay.evaluation.counterfactuals.term_matching import choose_some
from assay.evaluation.counterfactuals.text_replacement import entities_outside
from assay.evaluation.verdict import Check
from assay.recipes.recipe import CounterfactualRule, Head
from assay.recipes.term_lists import TermList, slots_of
from assay.serving.engine import Engine, Prediction, Row

EXAMPLES_SHOWN = 3
CHARACTERS = 80

Predictions = Mapping[Row, Prediction]


@dataclass(frozen=True, slots=True)
class Flip:
    """A counterfactual whose prediction differs from the reference. `source` is the id of its row, or its template."""

    source: str
    words: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.words} ({self.source}): {self.before} became {self.after}"


def check_counterfactuals(
    engine: Engine,
    examples: Sequence[Example],
    rule: CounterfactualRule,
    heads: Sequence[Head],
    clusters: Mapping[str, str] | None = None,
) -> list[Check]:
    """Return one check per list and head: at most the share `max_flips` of the swaps changes the prediction.

    A flip is another class for the sentence head, another set of labels for the labels head, and another span or type
    outside the swapped words for the token head. Truncated texts are left out, since the swap may lie in the part that
    the model does not read. Rows of one cluster count once towards `min_swaps`, weigh as much as a single row towards
    `max_flips`, and are tried after the first row of every other cluster.

    Args:
        engine: engine of the bundle.
        examples: real rows; at most `max_rows` of those that hold a term are tried.
        rule: lists, templates and limits.
        heads: heads of the bundle.
        clusters: cluster of each row by its id; None treats each row as its own cluster.
    """
    clusters = clusters or {}
    lists = rule.term_lists()
    sets = {name: list(_sets(engine, examples, rule, name, lists, clusters)) for name in lists}
    predictions = _predict(engine, [swap_set for sets_of_list in sets.values() for swap_set in sets_of_list])
    return [
        _check(
            name,
            head,
            [swap_set for swap_set in sets_of_list if _fully_read(swap_set, predictions)],
            predictions,
            rule,
            clusters,
        )
        for name, sets_of_list in sets.items()
        for head in heads
    ]


def _sets(
    engine: Engine,
    examples: Sequence[Example],
    rule: CounterfactualRule,
    name: str,
    lists: Mapping[str, TermList],
    clusters: Mapping[str, str],
) -> Iterator[SubstitutionSet]:
    for template in rule.templates:
        if slots_of(template)[0][0] == name:
            yield from sets_of_template(template, lists)
    remaining = rule.max_rows
    for sets in _rounds(sets_of_rows(examples, lists[name], pair=engine.manifest.pair), clusters):
        chosen = choose_some(sets, remaining, key=lambda swap_set: (name, swap_set.name))
        remaining -= len(chosen)
        yield from chosen


def _rounds(sets: Iterable[SubstitutionSet], clusters: Mapping[str, str]) -> list[list[SubstitutionSet]]:
    """Return the first row of each cluster, then the second of each, and so on."""
    rounds: list[list[SubstitutionSet]] = []
    rows_seen: Counter[str] = Counter()
    for swap_set in sets:
        cluster = clusters.get(swap_set.name, swap_set.name)
        if rows_seen[cluster] == len(rounds):
            rounds.append([])
        rounds[rows_seen[cluster]].append(swap_set)
        rows_seen[cluster] += 1
    return rounds


def _independent_swaps(sets: Sequence[SubstitutionSet], clusters: Mapping[str, str]) -> int:
    """Return the number of swaps; all swaps in rows of one cluster count once."""
    rows = {clusters.get(swap_set.name, swap_set.name) for swap_set in sets if swap_set.original is not None}
    return len(rows) + sum(len(swap_set.counterfactuals) for swap_set in sets if swap_set.original is None)


def _flip_share(flips: Sequence[Flip], sets: Sequence[SubstitutionSet], clusters: Mapping[str, str]) -> float:
    """Return the share of swaps that change the prediction; the rows of one cluster weigh as much as a single row."""
    rows = Counter(clusters.get(swap_set.name, swap_set.name) for swap_set in sets if swap_set.original is not None)
    weights = {
        swap_set.name: 1.0 if swap_set.original is None else 1 / rows[clusters.get(swap_set.name, swap_set.name)]
        for swap_set in sets
    }
    swaps = fsum(weights[swap_set.name] * len(swap_set.counterfactuals) for swap_set in sets)
    return fsum(weights[flip.source] for flip in flips) / swaps if swaps else 0.0


def _predict(engine: Engine, sets: Sequence[SubstitutionSet]) -> Predictions:
    """Predict every distinct text once."""
    rows = list(dict.fromkeys(text.row for swap_set in sets for text in _texts_of(swap_set)))
    return dict(zip(rows, engine.predict(rows), strict=True))


def _texts_of(swap_set: SubstitutionSet) -> tuple[SubstitutionText, ...]:
    return swap_set.counterfactuals if swap_set.original is None else (swap_set.original, *swap_set.counterfactuals)


def _fully_read(swap_set: SubstitutionSet, predictions: Predictions) -> bool:
    return not any(predictions[text.row].truncated for text in _texts_of(swap_set))


def _check(
    name: str,
    head: Head,
    sets: Sequence[SubstitutionSet],
    predictions: Predictions,
    rule: CounterfactualRule,
    clusters: Mapping[str, str],
) -> Check:
    swaps = sum(len(swap_set.counterfactuals) for swap_set in sets)
    flips = [flip for swap_set in sets for flip in _flips(swap_set, head, predictions)]
    independent = _independent_swaps(sets, clusters)
    tested = independent >= rule.min_swaps
    weighted = _flip_share(flips, sets, clusters)
    acceptable = weighted <= rule.max_flips
    share = f" ({weighted:.1%})" if swaps else ""
    return Check(
        name=f"counterfactual: {name} ({head})",
        measured=f"{len(flips)} of {swaps} swaps change the prediction{share}{_independent_phrase(swaps, independent)}",
        required=f"at most {rule.max_flips:.1%}, of at least {rule.min_swaps} swaps",
        passed=acceptable if tested else rule.allow_untested,
        why=_why(flips, swaps, independent, acceptable, rule),
        tested=tested,
    )


def _independent_phrase(swaps: int, independent: int) -> str:
    return "" if independent == swaps else f", {independent} of them independent"


def _why(flips: Sequence[Flip], swaps: int, independent: int, acceptable: bool, rule: CounterfactualRule) -> str:
    examples = "; ".join(str(flip) for flip in flips[:EXAMPLES_SHOWN])
    if independent < rule.min_swaps:
        remedy = (
            "the recipe allows that"
            if rule.allow_untested
            else "add templates or rows, or set gate.counterfactual.allow_untested to pass anyway"
        )
        return "; ".join(
            filter(
                None,
                [
                    f"not tested: only {swaps} swaps could be made{_independent_phrase(swaps, independent)}; {remedy}",
                    examples,
                ],
            )
        )
    reason = (
        "no prediction changes"
        if not flips
        else "few predictions change"
        if acceptable
        else "too many predictions change"
    )
    return f"{reason}: {examples}" if flips else reason


def _flips(swap_set: SubstitutionSet, head: Head, predictions: Predictions) -> Iterator[Flip]:
    outcomes = [_outcome(text, head, predictions[text.row]) for text in swap_set.counterfactuals]
    if swap_set.original is not None:
        reference = _outcome(swap_set.original, head, predictions[swap_set.original.row])
    else:  # the most frequent prediction of the texts of a template
        reference = Counter(outcomes).most_common(1)[0][0]
    for text, outcome in zip(swap_set.counterfactuals, outcomes, strict=True):
        if outcome != reference:
            shared = swap_set.shared_text
            before, after = _describe(reference, outcome, shared), _describe(outcome, reference, shared)
            yield Flip(swap_set.name, text.words, before, after)


def _outcome(text: SubstitutionText, head: Head, prediction: Prediction) -> Hashable:
    """Return what must not change: the class, the labels, or the entities outside the swapped words."""
    if head == "sentence":
        return prediction.label
    if head == "labels":
        return ", ".join(one.label for one in prediction.labels) or "no label"
    entities = [Entity(entity.start, entity.end, entity.label) for entity in prediction.entities]
    return entities_outside(text.row.text, entities, text.shared_spans)


def _describe(outcome: Hashable, other: Hashable, text: str) -> str:
    """Describe an outcome: its class, or the entities that the other outcome lacks."""
    if not isinstance(outcome, frozenset) or not isinstance(other, frozenset):
        return str(outcome)
    only = sorted(outcome - other)
    described = ", ".join(f"{entity.label} {text[entity.start : entity.end]!r}" for entity in only) or "no entity"
    return described if len(described) <= CHARACTERS else described[: CHARACTERS - 1] + "…"
