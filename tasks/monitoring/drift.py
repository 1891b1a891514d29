"""Each signal of a window beside the reference: tested, corrected for their number, held against its limit."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from recipes.monitoring import Monitoring, Signal
from recipes.recipe import Head
from tasks.monitoring import signals
from tasks.monitoring.observed import Observed, Reference
from tasks.monitoring.two_samples import (
    Comparison,
    compare_f1,
    compare_numbers,
    compare_shares,
    compare_texts,
    compare_vectors,
)
from tasks.scoring.answers import classes_of, outcomes_of, rows_of
from tasks.scoring.statistics import Floats, holm

Measure = Callable[[], Comparison]


class Finding(BaseModel):
    """One signal. `reference` and `window` say what it is on each side, `rows` how many rows that rests on.

    `effect` and `p_value` (after Holm's correction) are None where it was not tested; `why` says so.
    """

    signal: Signal
    name: str
    reference: str = ""
    window: str = ""
    rows: tuple[int, int] = (0, 0)
    effect: float | None = None
    p_value: float | None = None
    limit: float | None = None
    drifted: bool = False
    why: str = ""


@dataclass(frozen=True)
class _Candidate:
    """What may be tested: two samples described, and how to compare them."""

    finding: Finding
    measure: Measure


def find_drift(reference: Reference, window: Observed, rule: Monitoring) -> list[Finding]:
    """Every signal that both sides know.

    A signal has drifted if its effect is at least its limit and its p-value, corrected for the number of signals, is
    below `alpha`: many rows make no alarm of a small effect, few rows none of chance.

    Args:
        reference: rows that the champion was not trained on.
        window: rows that came in.
        rule: of the recipe.
    """
    candidates = [*_of_texts(reference, window, rule.seed), *_of_answers(reference.observed, window, rule.seed)]
    candidates += _of_labels(reference, window, rule.seed)
    judged = [one for one in candidates if min(one.finding.rows) >= rule.min_rows]
    compared = [one.measure() for one in judged]
    corrected = iter(holm([one.p_value for one in compared]))
    results = {id(one): result for one, result in zip(judged, compared, strict=True)}
    return [
        _judge(one.finding, results[id(one)], next(corrected), rule)
        if id(one) in results
        else one.finding.model_copy(update={"why": _too_few(one.finding, rule)})
        for one in candidates
    ]


def _judge(finding: Finding, result: Comparison, p_value: float, rule: Monitoring) -> Finding:
    limit = getattr(rule.limits, finding.signal)
    large = limit is not None and result.effect >= limit
    if limit is None:
        why = "no limit is set"
    elif not large:
        why = f"the effect is below {limit:g}"
    elif p_value >= rule.alpha:
        why = f"chance may explain it (p {p_value:.2g})"
    else:
        why = f"the effect is not below {limit:g}, and chance does not explain it"
    if result.telling:
        why += f"; the window is told by: {', '.join(result.telling)}"
    drifted = large and p_value < rule.alpha
    update = {"effect": result.effect, "p_value": p_value, "limit": limit, "drifted": drifted, "why": why}
    return finding.model_copy(update=update)


def _too_few(finding: Finding, rule: Monitoring) -> str:
    before, now = finding.rows
    return f"not judged: {before} and {now} rows to compare, monitoring.min_rows is {rule.min_rows}"


def _of_texts(reference: Reference, window: Observed, seed: int) -> Iterable[_Candidate]:
    before = reference.observed
    yield _numbers(
        "text_length", "length of the text", (signals.lengths(before), signals.lengths(window)), "characters"
    )
    if before.texts is None or window.texts is None:
        return
    old, new = before.texts, window.texts
    unknown = (signals.unknown(before, reference.vocabulary), signals.unknown(window, reference.vocabulary))
    yield _numbers("unknown_words", "words unknown to the training rows", unknown, "%")
    words = Finding(signal="vocabulary", name="words of the text", rows=(len(old), len(new)))
    yield _Candidate(words, lambda: compare_texts(old, new, seed))
    if before.embeddings is not None and window.embeddings is not None:
        yield _vectors(before.embeddings, window.embeddings, seed)


def _vectors(reference: Floats, window: Floats, seed: int) -> _Candidate:
    centre = reference.mean(axis=0)
    finding = Finding(
        signal="embedding",
        name="embedding of the text",
        reference=f"{_distance(reference, centre):.3g} from its centre",
        window=f"{_distance(window, centre):.3g} from there",
        rows=(len(reference), len(window)),
    )
    return _Candidate(finding, lambda: compare_vectors(reference, window, seed))


def _of_answers(reference: Observed, window: Observed, seed: int) -> Iterable[_Candidate]:
    both = (reference.answers, window.answers)
    if all(any(one.predicted is not None for one in answers) for answers in both):
        yield _shares("classes", "classes answered", (signals.classes(both[0]), signals.classes(both[1])), seed)
        sure = (signals.certainty(both[0]), signals.certainty(both[1]))
        yield _numbers("confidence", "confidence of the class", sure, "%")
    if any(one.predicted_entities for one in reference.answers):
        counts = (signals.entity_counts(both[0]), signals.entity_counts(both[1]))
        yield _numbers("entity_count", "entities in a text", counts, "")
        yield _shares("entity_types", "types of entities", (signals.types(both[0]), signals.types(both[1])), seed)
        scores = (signals.entity_scores(both[0]), signals.entity_scores(both[1]))
        yield _numbers("confidence", "confidence of entities", scores, "%")


def _of_labels(reference: Reference, window: Observed, seed: int) -> Iterable[_Candidate]:
    test = reference.observed.answers[: reference.test_rows]
    heads: dict[Head, str] = {"sentence": "F1 of classes", "tokens": "F1 of entities"}
    for head, name in heads.items():
        before, now = rows_of(test, head), rows_of(window.answers, head)
        if not before or not now:
            continue
        classes = classes_of(before, now)
        one, other = outcomes_of(before, head, classes), outcomes_of(now, head, classes)
        if not (math.isfinite(one.f1()) and math.isfinite(other.f1())):
            continue
        yield _Candidate(
            Finding(
                signal="f1",
                name=name,
                reference=f"{one.f1():.3f}",
                window=f"{other.f1():.3f}",
                rows=(len(before), len(now)),
            ),
            lambda one=one, other=other: compare_f1(one, other, seed),  # type: ignore[misc]  # bound now, not later
        )


def _numbers(signal: Signal, name: str, samples: tuple[Floats, Floats], unit: str) -> _Candidate:
    reference, window = samples
    finding = Finding(
        signal=signal,
        name=name,
        reference=_middle(reference, unit),
        window=_middle(window, unit),
        rows=(len(reference), len(window)),
    )
    return _Candidate(finding, lambda: compare_numbers(reference, window))


def _shares(signal: Signal, name: str, samples: tuple[signals.Names, signals.Names], seed: int) -> _Candidate:
    """Names that each row holds, such as its class or the types of its entities."""
    reference, window = samples
    names = sorted({label for rows in samples for row in rows for label in row})
    finding = Finding(
        signal=signal,
        name=name,
        reference=_parts(reference),
        window=_parts(window),
        rows=(len(reference), len(window)),
    )
    return _Candidate(finding, lambda: compare_shares(_table(reference, names), _table(window, names), seed))


def _table(rows: signals.Names, names: Sequence[str]) -> Floats:
    place = {label: number for number, label in enumerate(names)}
    table = np.zeros((len(rows), len(names)))
    for number, row in enumerate(rows):
        for label in row:
            table[number, place[label]] += 1
    return table


def _middle(values: Floats, unit: str) -> str:
    if not len(values):
        return "no row"
    if unit == "characters":  # a few long texts would carry the mean away
        return f"median {np.median(values):.0f} characters"
    return f"mean {values.mean():.1%}" if unit == "%" else f"mean {values.mean():.2f}"


def _parts(rows: signals.Names, most: int = 5) -> str:
    counts = Counter(label for row in rows for label in row)
    shown = [f"{label} {count / counts.total():.0%}" for label, count in counts.most_common(most)]
    return ", ".join(shown) + (", …" if len(counts) > most else "") if shown else "none"


def _distance(vectors: Floats, centre: Floats) -> float:
    return float(np.linalg.norm(vectors - centre, axis=1).mean())
