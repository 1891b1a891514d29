"""Drift findings: each signal of a window tested against the reference, corrected for multiplicity."""

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
    compare_means,
    compare_numbers,
    compare_shares,
    compare_texts,
    compare_vectors,
)
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of, rows_of, scored_names
from assay.evaluation.statistics import Floats, holm
from assay.recipes.monitoring_section import Monitoring, Signal
from assay.recipes.recipe import Head

Measure = Callable[[Clusters, Exchange], SampleComparison]
# Factor on the smallest number of permutations whose p-value can fall below `alpha`.
SPARE = 1.5


class SignalFinding(BaseModel):
    """Finding on one signal. `reference` and `window` describe it in each sample.

    `rows` and `clusters` count the rows and clusters of both samples. `effect` and `p_value` (after Holm's correction)
    are None if the signal was not tested; `why` gives the reason.
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
    """A signal that may be tested: its samples and their comparison; `halves` if a classifier compares them."""

    finding: SignalFinding
    clusters: Clusters
    measure: Measure
    halves: bool = False


def find_drift(reference: Reference, window: WindowStatistics, rule: Monitoring) -> list[SignalFinding]:
    """Test every signal that both reference and window have.

    A signal has drifted if its effect is at least its limit and its p-value, corrected for the number of signals, is
    below `alpha`: many rows do not raise an alarm for a small effect, and few rows do not raise one by chance.

    Args:
        reference: rows that the champion was not trained on.
        window: incoming rows.
        rule: section `monitoring` of the recipe.
    """
    candidates = [*_of_texts(reference, window), *_of_predictions(reference.observed, window)]
    candidates += [*_of_decisions(reference.observed, window), *_of_labels(reference, window)]
    reasons = [_untested(candidate, rule, len(candidates)) for candidate in candidates]
    tested = [candidate for candidate, reason in zip(candidates, reasons, strict=True) if reason is None]
    exchange = Exchange(rule.seed, max(PERMUTATIONS, math.ceil(SPARE * len(candidates) / rule.alpha)))
    compared = [candidate.measure(candidate.clusters, exchange) for candidate in tested]
    corrected = holm([comparison.p_value for comparison in compared])
    results = iter(zip(compared, corrected, strict=True))
    return [
        _conclude(candidate.finding, *next(results), rule)
        if reason is None
        else candidate.finding.model_copy(update={"why": reason})
        for candidate, reason in zip(candidates, reasons, strict=True)
    ]


def _untested(candidate: _Candidate, rule: Monitoring, tests: int) -> str | None:
    """Return why a signal is not tested: too few rows, or too few clusters for any p-value to fall below `alpha`.

    A sample of one cluster shows no differences between clusters, and leaves none to fit a classifier on.
    """
    reference_rows, window_rows = candidate.finding.rows
    if min(reference_rows, window_rows) < rule.min_rows:
        return f"not tested: {reference_rows} and {window_rows} rows to compare, monitoring.min_rows is {rule.min_rows}"
    reference_clusters, window_clusters = candidate.clusters.counts
    smallest = candidate.clusters.smallest_p(candidate.halves)
    if candidate.clusters.all_single or (
        min(reference_clusters, window_clusters) > 1 and smallest * tests < rule.alpha
    ):
        return None
    return (
        f"not tested, too few documents: {reference_rows} and {window_rows} rows to compare are of "
        f"{reference_clusters} and {window_clusters} documents or groups; use a longer window"
    )


def _conclude(finding: SignalFinding, result: SampleComparison, p_value: float, rule: Monitoring) -> SignalFinding:
    limit = getattr(rule.limits, finding.signal)
    at_limit = limit is not None and result.effect >= limit
    if limit is None:
        why = "no limit is set"
    elif not at_limit:
        why = f"the effect is below {limit:g}"
    elif p_value >= rule.alpha:
        why = f"chance may explain it (p {p_value:.2g})"
    else:
        why = f"the effect is not below {limit:g}, and chance does not explain it"
    if result.distinctive_words:
        why += f"; words typical of the window: {', '.join(result.distinctive_words)}"
    drifted = at_limit and p_value < rule.alpha
    update = {"effect": result.effect, "p_value": p_value, "limit": limit, "drifted": drifted, "why": why}
    return finding.model_copy(update=update)


def _candidate(
    finding: SignalFinding,
    samples: tuple[WindowStatistics, WindowStatistics],
    measure: Measure,
    *,
    halves: bool = False,
) -> _Candidate:
    clusters = Clusters.of(*(sample.cluster_names for sample in samples))
    rows = {"rows": tuple(len(sample) for sample in samples), "clusters": clusters.counts}
    return _Candidate(finding.model_copy(update=rows), clusters, measure, halves)


def _of_texts(reference: Reference, window: WindowStatistics) -> Iterable[_Candidate]:
    baseline, samples = reference.observed, (reference.observed, window)
    yield _numbers("text_length", "length of the text", samples, signals.lengths, "characters")
    if baseline.texts is None or window.texts is None:
        return
    unknown = partial(signals.unknown, vocabulary=reference.vocabulary)
    yield _numbers("unknown_words", "words unknown to the training rows", samples, unknown, "%")
    words = SignalFinding(signal="vocabulary", name="words of the text")
    yield _candidate(words, samples, partial(compare_texts, baseline.texts, window.texts), halves=True)
    if baseline.embeddings is not None and window.embeddings is not None:
        yield _vectors(samples, baseline.embeddings, window.embeddings)


def _vectors(samples: tuple[WindowStatistics, WindowStatistics], reference: Floats, window: Floats) -> _Candidate:
    centre = reference.mean(axis=0)
    finding = SignalFinding(
        signal="embedding",
        name="embedding of the text",
        reference=f"{_distance(reference, centre):.3g} from its centre",
        window=f"{_distance(window, centre):.3g} from the centre of the reference",
    )
    return _candidate(finding, samples, partial(compare_vectors, reference, window), halves=True)


def _of_predictions(reference: WindowStatistics, window: WindowStatistics) -> Iterable[_Candidate]:
    samples = (reference, window)
    if all(any(row.predicted is not None for row in sample.predictions) for sample in samples):
        yield _shares(
            "classes", "predicted classes", _where(samples, lambda row: row.predicted is not None), signals.classes
        )
        with_probabilities = _where(samples, lambda row: bool(row.probabilities))
        yield _numbers("confidence", "confidence of the class", with_probabilities, signals.confidences, "%")
    if all(any(row.label_probabilities for row in sample.predictions) for sample in samples):
        read = _where(samples, lambda row: bool(row.label_probabilities))
        yield _shares("labels", "predicted labels", read, signals.labels)
        yield _numbers("label_count", "labels of a text", read, signals.label_counts, "")
        yield _numbers("confidence", "confidence of the labels", read, signals.label_confidences, "%")
    if any(row.predicted_entities for row in reference.predictions):
        yield _numbers("entity_count", "entities in a text", samples, signals.entity_counts, "")
        with_entities = _where(samples, lambda row: bool(row.predicted_entities))
        yield _shares("entity_types", "types of entities", with_entities, signals.types)
        yield _numbers("confidence", "confidence of entities", with_entities, signals.entity_scores, "%")


def _of_decisions(reference: WindowStatistics, window: WindowStatistics) -> Iterable[_Candidate]:
    samples = (reference, window)
    if any(row.abstained for sample in samples for row in sample.predictions):
        yield _numbers("abstained", "rows left to people", samples, signals.abstained, "%")


def _of_calibration(test: WindowStatistics, window: WindowStatistics) -> Iterable[_Candidate]:
    """Compare confidence with what is right: only labelled rows tell, which often arrive later."""
    samples = (test, window)
    classes = _where(samples, lambda row: bool(row.probabilities) and bool(rows_of([row], "sentence")))
    several = _where(samples, lambda row: bool(row.predicted_labels) and bool(rows_of([row], "labels")))
    entities = _where(samples, lambda row: bool(row.predicted_entities) and bool(rows_of([row], "tokens")))
    for name, labelled, gaps in (
        ("calibration of classes", classes, signals.class_gaps),
        ("calibration of labels", several, signals.label_gaps),
        ("calibration of entities", entities, signals.entity_gaps),
    ):
        if all(map(len, labelled)):
            reference_gaps, window_gaps = map(gaps, labelled)
            finding = SignalFinding(
                signal="calibration",
                name=name,
                reference=f"confidence off by {reference_gaps.mean():+.1%}",
                window=f"confidence off by {window_gaps.mean():+.1%}",
            )
            yield _candidate(finding, labelled, partial(compare_means, reference_gaps, window_gaps))


def _of_labels(reference: Reference, window: WindowStatistics) -> Iterable[_Candidate]:
    statistics = reference.observed
    test = WindowStatistics(
        statistics.predictions[: reference.test_rows], clusters=statistics.cluster_names[: reference.test_rows]
    )
    yield from _of_calibration(test, window)
    heads: dict[Head, str] = {"sentence": "F1 of classes", "labels": "F1 of labels", "tokens": "F1 of entities"}
    for head, name in heads.items():
        labelled = _where((test, window), lambda row, head=head: bool(rows_of([row], head)))  # type: ignore[misc]  # bound now
        reference_rows, window_rows = (sample.predictions for sample in labelled)
        if not reference_rows or not window_rows:
            continue
        names = scored_names(head, reference_rows, window_rows)
        reference_outcomes, window_outcomes = (
            outcomes_of(reference_rows, head, names),
            outcomes_of(window_rows, head, names),
        )
        if not (math.isfinite(reference_outcomes.f1()) and math.isfinite(window_outcomes.f1())):
            continue
        finding = SignalFinding(
            signal="f1", name=name, reference=f"{reference_outcomes.f1():.3f}", window=f"{window_outcomes.f1():.3f}"
        )
        yield _candidate(finding, labelled, partial(compare_f1, reference_outcomes, window_outcomes))


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
    finding = SignalFinding(
        signal=signal, name=name, reference=_average(reference, unit), window=_average(window, unit)
    )
    return _candidate(finding, samples, partial(compare_numbers, reference, window))


def _shares(
    signal: Signal,
    name: str,
    samples: tuple[WindowStatistics, WindowStatistics],
    labels: Callable[[WindowStatistics], signals.Names],
) -> _Candidate:
    """Compare labels that each row holds, such as its class or the types of its entities."""
    reference, window = map(labels, samples)
    names = sorted({label for rows in (reference, window) for row in rows for label in row})
    finding = SignalFinding(
        signal=signal, name=name, reference=_describe_shares(reference), window=_describe_shares(window)
    )
    tables = _table(reference, names), _table(window, names)
    return _candidate(finding, samples, partial(compare_shares, *tables))


def _table(rows: signals.Names, names: Sequence[str]) -> Floats:
    column = {label: number for number, label in enumerate(names)}
    table = np.zeros((len(rows), len(names)))
    for number, row in enumerate(rows):
        for label in row:
            table[number, column[label]] += 1
    return table


def _average(values: Floats, unit: str) -> str:
    if not len(values):
        return "no row"
    if unit == "characters":  # a few long texts would dominate the mean
        return f"median {np.median(values):.0f} characters"
    return f"mean {values.mean():.1%}" if unit == "%" else f"mean {values.mean():.2f}"


def _describe_shares(rows: signals.Names, most: int = 5) -> str:
    counts = Counter(label for row in rows for label in row)
    shown = [f"{label} {count / counts.total():.0%}" for label, count in counts.most_common(most)]
    return ", ".join(shown) + (", …" if len(counts) > most else "") if shown else "none"


def _distance(vectors: Floats, centre: Floats) -> float:
    return float(np.linalg.norm(vectors - centre, axis=1).mean())
