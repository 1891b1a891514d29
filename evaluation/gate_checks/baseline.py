"""The candidate against trivial models, on the same test rows: a model that learned nothing must not pass."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from assay.evaluation.baselines import (
    BaselineReader,
    MajorityTagger,
    TfidfClassifier,
    constant_predictions,
    most_frequent_class,
    spread,
)
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.gate_checks.phrases import percent
from assay.evaluation.labelled_predictions import LabelledPrediction, classes_of, outcomes_of
from assay.evaluation.paired_test import compare
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head

METRIC = "baseline_f1"
REMEDY = "train longer, on more or cleaner rows, or use more test rows (see docs/gate.md, Baselines)"


def check_baseline(context: GateContext[Any], head: Head) -> list[Check]:
    """The candidate is better than each baseline that the recipe asks for; no check where it asks for none."""
    if context.rules.baseline == "off":
        return []
    return [_check(context, head, *baseline) for baseline in _baselines(context, head)]


def _baselines(context: GateContext[Any], head: Head) -> Iterator[tuple[str, str, Sequence[LabelledPrediction]]]:
    """Each baseline: the end of its check's name, what it is, and its predictions for the test rows."""
    rows, reader = context.evaluation.rows, BaselineReader(context.bundle)
    if head == "tokens":
        tagger = MajorityTagger(spread(context.training), reader)
        yield (
            "",
            f"the majority tag of each word in {tagger.rows:,} training rows",
            tagger.answer(context.examples, rows),
        )
        return
    told, label = _constant(most_frequent_class(context.training), rows)
    yield "", told, constant_predictions(label, rows)
    if context.rules.baseline == "tfidf":
        model = TfidfClassifier(spread(context.training), reader)
        told = f"TF-IDF with logistic regression on {model.rows:,} training rows"
        yield " (tfidf)", told, model.answer(context.examples, rows)


def _constant(trained: str, rows: Sequence[LabelledPrediction]) -> tuple[str, str]:
    """Return what the constant class with the best F1 on the test rows is, and the class.

    The more test rows have a class, the better it scores, so that it is the most frequent one; of equally frequent
    ones that of the training rows, then the first by name.

    Args:
        trained: most frequent class of the training rows.
        rows: the test rows.
    """
    counts = Counter(row.gold for row in rows if row.gold is not None)
    best = min(counts, key=lambda label: (-counts[label], label != trained, label), default=trained)
    if best == trained:
        return f"the most frequent class of the training rows, {trained!r}", trained
    return f"the most frequent class of the test rows, {best!r} (of the training rows: {trained!r})", best


def _check(
    context: GateContext[Any], head: Head, suffix: str, baseline: str, theirs: Sequence[LabelledPrediction]
) -> Check:
    rows, confidence = context.evaluation.rows, context.rules.champion.confidence
    classes = classes_of(rows, theirs)
    ours, trivial = outcomes_of(rows, head, classes), outcomes_of(theirs, head, classes)
    result = compare(ours, trivial, threshold=0.0, confidence=confidence)
    # No model finds more entities than all of them, not even where looking words up does as well.
    better, flawless = result.lower > 0, head == "tokens" and ours.f1() == 1.0
    if better:
        why = "better than TF-IDF" if suffix else "better than a model that learned nothing"
    elif flawless:
        why = "finds every entity of these rows and no other"
    else:
        why = f"not shown to be better than {baseline}: {REMEDY}"
    kind = suffix.strip(" ()")
    return Check(
        name=f"baseline: {head}{suffix}",
        measured=f"F1 {ours.f1():.3f} against {trivial.f1():.3f} of {baseline}; difference {result.difference:+.3f}, "
        f"at least {result.lower:+.3f} with {percent(confidence)} confidence",
        required=f"a difference above 0 with {percent(confidence)} confidence",
        passed=better or flawless,
        why=why,
        metrics={f"{METRIC}_{head}" if not kind else f"{METRIC}_{head}_{kind}": trivial.f1()},
    )
