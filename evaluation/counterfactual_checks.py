"""Whether answers stay the same when one name, pronoun, nationality or religion stands for another."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from assay.corpus.example import Entity, Example
from assay.evaluation.counterfactuals.substitution_sets import Family, Variant, families_of_rows, families_of_template
from assay.evaluation.counterfactuals.term_matching import pick_some
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
    """A text that is answered otherwise than its counterpart."""

    family: str
    words: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.words} ({self.family}): {self.before} became {self.after}"


def check_counterfactuals(
    engine: Engine,
    examples: Sequence[Example],
    rule: CounterfactualRule,
    heads: Sequence[Head],
    clusters: Mapping[str, str] | None = None,
) -> list[Check]:
    """One check for each list and head: the share of swaps that change the answer is at most `max_flips`.

    For sentences a flip is another class; for tokens it is another span or type outside the swapped words. Texts
    that the model reads only the beginning of are left out, since the swap may stand in the rest. Rows of one cluster
    count once towards `min_swaps`, weigh as much as a single row towards `max_flips`, and are tried after the first
    row of every other cluster.

    Args:
        engine: with the bundle.
        examples: real rows; of those that hold a term at most `max_rows` are tried.
        rule: lists, templates, limits.
        heads: that the bundle has.
        clusters: the cluster of each row by its id; None takes each row as one of its own.
    """
    clusters = clusters or {}
    lists = rule.term_lists()
    families = {name: list(_families(engine, examples, rule, name, lists, clusters)) for name in lists}
    predictions = _predict(engine, [family for found in families.values() for family in found])
    return [
        _check(name, head, [one for one in found if _read_whole(one, predictions)], predictions, rule, clusters)
        for name, found in families.items()
        for head in heads
    ]


def _families(
    engine: Engine,
    examples: Sequence[Example],
    rule: CounterfactualRule,
    name: str,
    lists: Mapping[str, TermList],
    clusters: Mapping[str, str],
) -> Iterator[Family]:
    for template in rule.templates:
        if slots_of(template)[0][0] == name:
            yield from families_of_template(template, lists)
    left = rule.max_rows
    for families in _rounds(families_of_rows(examples, lists[name], pair=engine.manifest.pair), clusters):
        picked = pick_some(families, left, key=lambda family: (name, family.name))
        left -= len(picked)
        yield from picked


def _rounds(families: Iterable[Family], clusters: Mapping[str, str]) -> list[list[Family]]:
    """The first row of each cluster, then the second of each, and so on."""
    rounds: list[list[Family]] = []
    seen: Counter[str] = Counter()
    for family in families:
        cluster = clusters.get(family.name, family.name)
        if seen[cluster] == len(rounds):
            rounds.append([])
        rounds[seen[cluster]].append(family)
        seen[cluster] += 1
    return rounds


def _independent_swaps(families: Sequence[Family], clusters: Mapping[str, str]) -> int:
    """Number of swaps, those in rows of one cluster counted once."""
    rows = {clusters.get(family.name, family.name) for family in families if family.original is not None}
    return len(rows) + sum(len(family.variants) for family in families if family.original is None)


def _flip_share(flips: Sequence[Flip], families: Sequence[Family], clusters: Mapping[str, str]) -> float:
    """Share of the swaps that change the prediction, where the rows of one cluster weigh as much as a single row."""
    rows = Counter(clusters.get(family.name, family.name) for family in families if family.original is not None)
    weights = {
        family.name: 1.0 if family.original is None else 1 / rows[clusters.get(family.name, family.name)]
        for family in families
    }
    swaps = fsum(weights[family.name] * len(family.variants) for family in families)
    return fsum(weights[flip.family] for flip in flips) / swaps if swaps else 0.0


def _predict(engine: Engine, families: Sequence[Family]) -> Predictions:
    """The answer to every text, each asked for once."""
    rows = list(dict.fromkeys(variant.row for family in families for variant in _all(family)))
    return dict(zip(rows, engine.predict(rows), strict=True))


def _all(family: Family) -> tuple[Variant, ...]:
    return family.variants if family.original is None else (family.original, *family.variants)


def _read_whole(family: Family, predictions: Predictions) -> bool:
    return not any(predictions[variant.row].truncated for variant in _all(family))


def _check(
    name: str,
    head: Head,
    families: Sequence[Family],
    predictions: Predictions,
    rule: CounterfactualRule,
    clusters: Mapping[str, str],
) -> Check:
    swaps = sum(len(family.variants) for family in families)
    flips = [flip for family in families for flip in _flips(family, head, predictions)]
    independent = _independent_swaps(families, clusters)
    tested = independent >= rule.min_swaps
    weighted = _flip_share(flips, families, clusters)
    few = weighted <= rule.max_flips
    share = f" ({weighted:.1%})" if swaps else ""
    return Check(
        name=f"counterfactual: {name} ({head})",
        measured=f"{len(flips)} of {swaps} swaps change the answer{share}{_in_clusters(swaps, independent)}",
        required=f"at most {rule.max_flips:.1%}, of at least {rule.min_swaps} swaps",
        passed=few if tested else rule.allow_untested,
        why=_why(flips, swaps, independent, few, rule),
        tested=tested,
    )


def _in_clusters(swaps: int, independent: int) -> str:
    return "" if independent == swaps else f", {independent} of them independent"


def _why(flips: Sequence[Flip], swaps: int, independent: int, few: bool, rule: CounterfactualRule) -> str:
    shown = "; ".join(str(flip) for flip in flips[:EXAMPLES_SHOWN])
    if independent < rule.min_swaps:
        remedy = (
            "the recipe allows that"
            if rule.allow_untested
            else "add templates or rows, or set gate.counterfactual.allow_untested to pass all the same"
        )
        return "; ".join(
            filter(
                None,
                [f"not tested: only {swaps} swaps could be made{_in_clusters(swaps, independent)}; {remedy}", shown],
            )
        )
    reason = "the answers stay the same" if not flips else "few answers change" if few else "too many answers change"
    return f"{reason}: {shown}" if flips else reason


def _flips(family: Family, head: Head, predictions: Predictions) -> Iterator[Flip]:
    answers = [_answer(variant, head, predictions[variant.row]) for variant in family.variants]
    if family.original is not None:
        right = _answer(family.original, head, predictions[family.original.row])
    else:  # of a template: the answer that most of its texts get
        right = Counter(answers).most_common(1)[0][0]
    for variant, answer in zip(family.variants, answers, strict=True):
        if answer != right:
            before, after = (_describe(one, other, family.shared) for one, other in ((right, answer), (answer, right)))
            yield Flip(family.name, variant.words, before, after)


def _answer(variant: Variant, head: Head, prediction: Prediction) -> Hashable:
    """What must not change: the class, or the entities outside the swapped words."""
    if head == "sentence":
        return prediction.label
    entities = [Entity(one.start, one.end, one.label) for one in prediction.entities]
    return entities_outside(variant.row.text, entities, variant.kept)


def _describe(answer: Hashable, other: Hashable, text: str) -> str:
    """The class, or what this answer has of entities that the other has not."""
    if not isinstance(answer, frozenset) or not isinstance(other, frozenset):
        return str(answer)
    only = sorted(answer - other)
    said = ", ".join(f"{one.label} {text[one.start : one.end]!r}" for one in only) or "no entity"
    return said if len(said) <= CHARACTERS else said[: CHARACTERS - 1] + "…"
