"""Each signal of a window beside the reference: tested, corrected for their number, held against its limit."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from pydantic import BaseModel

from assay.evaluation.drift import signals
from assay.evaluation.drift.clusters import PERMUTATIONS, Clusters
from assay.evaluation.drift.two_samples import (
    Exchange,
    SampleComparison,
    compare_f1,
    compare_numbers,
    compare_shares,
    compare_texts,
    compare_vectors,
)
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction, classes_of, outcomes_of, rows_of
from assay.evaluation.statistics import Floats, holm
from assay.recipes.monitoring_section import Monitoring, Signal
from assay.recipes.recipe import Head

Measure = Callable[[Clusters, Exchange], SampleComparison]
# A permutation test of so many as `alpha` asks for, and of half as many again, can fall below it.
SPARE = 1.5


class SignalFinding(BaseModel):
    """One signal. `reference` and `window` describe it in each sample; `rows` and `clusters` count what that rests on.

    `effect` and `p_value` (after Holm's correction) are None where it was not tested; `why` says so.
    """

    signal: Signal
    name: str
    reference: str = ""
    window: str = ""
    rows: tuple[int, int] = (0, 0)
    clusters: tuple[int, int] = (0, 0)
    effect: float | None = None
    p_value: float | None = None
    limit: float | None = None
    drifted: bool = False
    why: str = ""


@dataclass(frozen=True)
class _Candidate:
    """What may be tested: two samples described, and how to compare them; `halves` where a classifier does."""

    finding: SignalFinding
    clusters: Clusters
    measure: Measure
    halves: bool = False


def find_drift(reference: Reference, window: WindowStatistics, rule: Monitoring) -> list[SignalFinding]:
    """Every signal that both sides know.

    A signal has drifted if its effect is at least its limit and its p-value, corrected for the number of signals, is
    below `alpha`: many rows make no alarm of a small effect, few rows none of chance.

    Args:
        reference: rows that the champion was not trained on.
        window: rows that came in.
        rule: of the recipe.
    """
    candidates = [*_of_texts(reference, window), *_of_answers(reference.observed, window)]
    candidates += _of_labels(reference, window)
    reasons = [_untested(one, rule, len(candidates)) for one in candidates]
    tested = [one for one, reason in zip(candidates, reasons, strict=True) if reason is None]
    exchange = Exchange(rule.seed, max(PERMUTATIONS, math.ceil(SPARE * len(candidates) / rule.alpha)))
    compared = [one.measure(one.clusters, exchange) for one in tested]
    corrected = holm([one.p_value for one in compared])
    results = iter(zip(compared, corrected, strict=True))
    return [
        _judge(one.finding, *next(results), rule) if reason is None else one.finding.model_copy(update={"why": reason})
        for one, reason in zip(candidates, reasons, strict=True)
    ]


def _untested(candidate: _Candidate, rule: Monitoring, tests: int) -> str | None:
    """Say why a signal is not tested: too few rows, or too few clusters for any p-value to fall below `alpha`.

    A sample of one cluster shows nothing of how clusters differ, and leaves none to learn from.
    """
    before, now = candidate.finding.rows
    if min(before, now) < rule.min_rows:
        return f"not tested: {before} and {now} rows to compare, monitoring.min_rows is {rule.min_rows}"
    old, new = candidate.clusters.counts
    smallest = candidate.clusters.smallest_p(candidate.halves)
    if candidate.clusters.all_single or (min(old, new) > 1 and smallest * tests < rule.alpha):
        return None
    return (
        f"too few documents to tell: {before} and {now} rows to compare are of {old} and {new} documents or groups; "
        "take a longer window"
    )


def _judge(finding: SignalFinding, result: SampleComparison, p_value: float, rule: Monitoring) -> SignalFinding:
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


def _candidate(
    finding: SignalFinding,
    samples: tuple[WindowStatistics, WindowStatistics],
    measure: Measure,
    *,
    halves: bool = False,
) -> _Candidate:
    clusters = Clusters.of(*(one.cluster_names for one in samples))
    rows = {"rows": tuple(len(one) for one in samples), "clusters": clusters.counts}
    return _Candidate(finding.model_copy(update=rows), clusters, measure, halves)


def _of_texts(reference: Reference, window: WindowStatistics) -> Iterable[_Candidate]:
    before, both = reference.observed, (reference.observed, window)
    yield _numbers("text_length", "length of the text", both, signals.lengths, "characters")
    if before.texts is None or window.texts is None:
        return
    old, new = before.texts, window.texts
    unknown = partial(signals.unknown, vocabulary=reference.vocabulary)
    yield _numbers("unknown_words", "words unknown to the training rows", both, unknown, "%")
    words = SignalFinding(signal="vocabulary", name="words of the text")
    yield _candidate(words, both, partial(compare_texts, old, new), halves=True)
    if before.embeddings is not None and window.embeddings is not None:
        yield _vectors(both, before.embeddings, window.embeddings)


def _vectors(samples: tuple[WindowStatistics, WindowStatistics], reference: Floats, window: Floats) -> _Candidate:
    centre = reference.mean(axis=0)
    finding = SignalFinding(
        signal="embedding",
        name="embedding of the text",
        reference=f"{_distance(reference, centre):.3g} from its centre",
        window=f"{_distance(window, centre):.3g} from there",
    )
    return _candidate(finding, samples, partial(compare_vectors, reference, window), halves=True)


def _of_answers(reference: WindowStatistics, window: WindowStatistics) -> Iterable[_Candidate]:
    both = (reference, window)
    if all(any(one.predicted is not None for one in rows.answers) for rows in both):
        yield _shares(
            "classes", "classes answered", _where(both, lambda one: one.predicted is not None), signals.classes
        )
        sure = _where(both, lambda one: bool(one.probabilities))
        yield _numbers("confidence", "confidence of the class", sure, signals.certainty, "%")
    if any(one.predicted_entities for one in reference.answers):
        yield _numbers("entity_count", "entities in a text", both, signals.entity_counts, "")
        found = _where(both, lambda one: bool(one.predicted_entities))
        yield _shares("entity_types", "types of entities", found, signals.types)
        yield _numbers("confidence", "confidence of entities", found, signals.entity_scores, "%")


def _of_labels(reference: Reference, window: WindowStatistics) -> Iterable[_Candidate]:
    observed = reference.observed
    test = WindowStatistics(
        observed.answers[: reference.test_rows], clusters=observed.cluster_names[: reference.test_rows]
    )
    heads: dict[Head, str] = {"sentence": "F1 of classes", "tokens": "F1 of entities"}
    for head, name in heads.items():
        labelled = _where((test, window), lambda one, head=head: bool(rows_of([one], head)))  # type: ignore[misc]  # bound now
        before, now = (sample.answers for sample in labelled)
        if not before or not now:
            continue
        classes = classes_of(before, now)
        one, other = outcomes_of(before, head, classes), outcomes_of(now, head, classes)
        if not (math.isfinite(one.f1()) and math.isfinite(other.f1())):
            continue
        finding = SignalFinding(signal="f1", name=name, reference=f"{one.f1():.3f}", window=f"{other.f1():.3f}")
        yield _candidate(finding, labelled, partial(compare_f1, one, other))


def _where(
    samples: tuple[WindowStatistics, WindowStatistics], chosen: Callable[[LabelledPrediction], bool]
) -> tuple[WindowStatistics, WindowStatistics]:
    reference, window = samples
    return reference.where(chosen), window.where(chosen)


def _numbers(
    signal: Signal,
    name: str,
    samples: tuple[WindowStatistics, WindowStatistics],
    numbers: Callable[[WindowStatistics], Floats],
    unit: str,
) -> _Candidate:
    reference, window = map(numbers, samples)
    finding = SignalFinding(signal=signal, name=name, reference=_middle(reference, unit), window=_middle(window, unit))
    return _candidate(finding, samples, partial(compare_numbers, reference, window))


def _shares(
    signal: Signal,
    name: str,
    samples: tuple[WindowStatistics, WindowStatistics],
    labels: Callable[[WindowStatistics], signals.Names],
) -> _Candidate:
    """Compare names that each row holds, such as its class or the types of its entities."""
    reference, window = map(labels, samples)
    names = sorted({label for rows in (reference, window) for row in rows for label in row})
    finding = SignalFinding(signal=signal, name=name, reference=_parts(reference), window=_parts(window))
    tables = _table(reference, names), _table(window, names)
    return _candidate(finding, samples, partial(compare_shares, *tables))


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
