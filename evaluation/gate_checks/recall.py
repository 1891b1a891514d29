"""Check of the recall of a class or an entity type that must not be missed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from assay.corpus.example import LABEL_KINDS
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.gate_checks.metric_names import metric_name
from assay.evaluation.gate_checks.phrases import COUNTED, reaches
from assay.evaluation.labelled_predictions import LabelledPrediction, rows_of
from assay.evaluation.share_interval import share_of
from assay.evaluation.statistics import cluster_codes
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head

_REMEDY = "add training rows with it"


def check_recall(context: GateContext[Any], head: Head, name: str) -> Check:
    """Check that the recall of a class or an entity type on the test rows reaches the recipe's threshold.

    Without a test row of it, the check fails.
    """
    threshold = context.rules.min_recall[head][name]
    title = f"recall: {name} ({head})"
    required = f"a recall of the {LABEL_KINDS[head]} {name!r} of at least {threshold:g} (gate.min_recall.{head})"
    rows = rows_of(context.evaluation.rows, head)
    found, clusters = _cases(rows, head, name)
    if not found:
        why = f"no test row holds the {LABEL_KINDS[head]}; add rows with it, raise split.test, or remove the rule"
        return Check(name=title, measured="not tested: no test row", required=required, passed=False, why=why)
    share = share_of(np.array(found), cluster_codes(clusters))
    passed = share.value >= threshold
    if passed:
        why = reaches(share.interval, threshold, f"test rows with the {LABEL_KINDS[head]}")
    else:
        gap = f"below gate.min_recall.{head} by {threshold - share.value:.3f}"
        why = "; ".join([gap, *_missed(rows, head, name), _REMEDY])
    return Check(
        name=title,
        measured=f"{share.interval}, {share.count(COUNTED[head])}",
        required=required,
        passed=passed,
        why=why,
        metrics={
            metric_name(head, "recall", name): share.value,
            metric_name(head, "recall", name, "low"): share.interval.low,
            metric_name(head, "recall", name, "high"): share.interval.high,
        },
    )


def _cases(rows: Sequence[LabelledPrediction], head: Head, name: str) -> tuple[list[bool], list[str]]:
    """Return whether each gold class or entity of this name was found, and its cluster."""
    if head == "sentence":
        members = [row for row in rows if row.gold == name]
        return [row.predicted == name for row in members], [row.own_cluster for row in members]
    if head == "labels":
        members = [row for row in rows if name in (row.gold_labels or ())]
        return [name in row.applied for row in members], [row.own_cluster for row in members]
    cases = [
        (entity in row.predicted_spans, row.own_cluster)
        for row in rows
        for entity in set(row.gold_entities or ())
        if entity.label == name
    ]
    return [found for found, _ in cases], [cluster for _, cluster in cases]


def _missed(rows: Sequence[LabelledPrediction], head: Head, name: str) -> list[str]:
    """Return what was predicted in place of the missed ones; a missed label has nothing in its place."""
    if head == "labels":
        return []
    return [_missed_classes(rows, name) if head == "sentence" else _missed_entities(rows, name)]


def _missed_classes(rows: Sequence[LabelledPrediction], name: str) -> str:
    """Return what the missed rows are most often predicted as."""
    wrong = Counter(str(row.predicted) for row in rows if row.gold == name and row.predicted != name)
    predicted, count = min(wrong.items(), key=lambda item: (-item[1], item[0]))
    return f"{count:,} of the {wrong.total():,} missed rows are predicted as {predicted!r}"


def _missed_entities(rows: Sequence[LabelledPrediction], name: str) -> str:
    """Return how many missed entities are predicted in part or with another type."""
    missed = retyped = overlapped = 0
    for row in rows:
        spans = {(entity.start, entity.end): entity.label for entity in row.predicted_spans}
        for entity in {entity for entity in row.gold_entities or () if entity.label == name} - row.predicted_spans:
            missed += 1
            if (entity.start, entity.end) in spans:
                retyped += 1
            elif any(start < entity.end and entity.start < end for start, end in spans):
                overlapped += 1
    return f"of {missed:,} missed entities {retyped:,} have another type, {overlapped:,} other boundaries"
