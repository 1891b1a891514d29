"""Checks of the candidate against baselines on the same test rows: a model that learned nothing must not pass."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from assay.evaluation.baselines import (
    BaselineReader,
    MajorityTagger,
    TfidfClassifier,
    constant_predictions,
    every_nth,
    most_frequent_class,
)
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.gate_checks.low_score_causes import low_score_causes
from assay.evaluation.gate_checks.phrases import percent
from assay.evaluation.label_baselines import TfidfLabeller, constant_labels
from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of, scored_names
from assay.evaluation.paired_test import compare
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head

METRIC = "baseline_f1"
REMEDY = "train longer, on more or cleaner rows, use more test rows, or set gate.baseline: off if no model is needed"


def check_baseline(context: GateContext[Any], head: Head) -> list[Check]:
    """Check that the candidate is better than each baseline of the recipe; return no check without baselines."""
    if context.rules.baseline == "off":
        return []
    return [_check(context, head, *baseline) for baseline in _baselines(context, head)]


def _baselines(context: GateContext[Any], head: Head) -> Iterator[tuple[str, str, Sequence[LabelledPrediction]]]:
    """Yield each baseline: the suffix of its check's name, its description, and its predictions for the test rows."""
    rows, reader = context.evaluation.rows, BaselineReader(context.bundle)
    if head == "tokens":
        tagger = MajorityTagger(every_nth(context.training), reader)
        yield (
            "",
            f"the majority tag of each word in {tagger.rows:,} training rows",
            tagger.predict(context.examples, rows),
        )
        return
    if head == "labels":
        yield from _label_baselines(context, reader)
        return
    description, label = _best_constant(most_frequent_class(context.training), rows)
    yield "", description, constant_predictions(label, rows)
    if context.rules.baseline == "tfidf":
        model = TfidfClassifier(every_nth(context.training), reader)
        description = f"TF-IDF with logistic regression on {model.rows:,} training rows"
        yield " (tfidf)", description, model.predict(context.examples, rows)


def _label_baselines(
    context: GateContext[Any], reader: BaselineReader
) -> Iterator[tuple[str, str, Sequence[LabelledPrediction]]]:
    """Yield the baselines of a labels head.

    Of all constant predictions, every label for every row has the highest macro-F1: a label that is never predicted has
    an F1 of 0.
    """
    rows, names = context.evaluation.rows, context.bundle.manifest.row_labels
    yield "", "every label for every row", constant_labels(names, rows)
    if context.rules.baseline == "tfidf":
        model = TfidfLabeller(every_nth(context.training), names, reader)
        description = f"TF-IDF with one logistic regression per label on {model.rows:,} training rows"
        yield " (tfidf)", description, model.predict(context.examples, rows)


def _best_constant(training_class: str, rows: Sequence[LabelledPrediction]) -> tuple[str, str]:
    """Return a description of the constant class with the best F1 on the test rows, and the class.

    The best constant class is the most frequent class of the test rows. Ties go to the most frequent class of the
    training rows, then to the first class by name.

    Args:
        training_class: most frequent class of the training rows.
        rows: test rows.
    """
    counts = Counter(row.gold for row in rows if row.gold is not None)
    best = min(counts, key=lambda label: (-counts[label], label != training_class, label), default=training_class)
    if best == training_class:
        return f"the most frequent class of the training rows, {training_class!r}", training_class
    return f"the most frequent class of the test rows, {best!r} (of the training rows: {training_class!r})", best


def _check(
    context: GateContext[Any], head: Head, suffix: str, baseline: str, baseline_rows: Sequence[LabelledPrediction]
) -> Check:
    rows, confidence = context.evaluation.rows, context.rules.champion.confidence
    names = scored_names(head, rows, baseline_rows)
    candidate_outcomes, baseline_outcomes = outcomes_of(rows, head, names), outcomes_of(baseline_rows, head, names)
    result = compare(candidate_outcomes, baseline_outcomes, threshold=0.0, confidence=confidence)
    # No model can beat a baseline that finds all entities.
    better, perfect = result.lower > 0, head == "tokens" and candidate_outcomes.f1() == 1.0
    if better:
        why = "better than TF-IDF" if suffix else "better than a model that learned nothing"
    elif perfect:
        why = "finds every entity of these rows and no other"
    else:
        why = "; ".join([f"not shown to be better than {baseline}", *_causes(context, head, suffix), REMEDY])
    kind = suffix.strip(" ()")
    return Check(
        name=f"baseline: {head}{suffix}",
        measured=f"F1 {candidate_outcomes.f1():.3f} against {baseline_outcomes.f1():.3f} of {baseline}; "
        f"difference {result.difference:+.3f}, "
        f"at least {result.lower:+.3f} with {percent(confidence)} confidence",
        required=f"a difference above 0 with {percent(confidence)} confidence",
        passed=better or perfect,
        why=why,
        metrics={f"{METRIC}_{head}" if not kind else f"{METRIC}_{head}_{kind}": baseline_outcomes.f1()},
    )


def _causes(context: GateContext[Any], head: Head, suffix: str) -> list[str]:
    """Return what is conspicuous about the predictions, unless the check of the score or of a simpler baseline does."""
    interval = context.evaluation.intervals.get(head)
    reported = interval is None or interval.value < context.rules.min_f1[head] or suffix
    return [] if reported else low_score_causes(context.evaluation.rows, head)
