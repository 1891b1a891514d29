"""Causes of a low score that the predictions show: one class only, no entity at all, truncated rows."""

from collections.abc import Sequence

from assay.evaluation.labelled_predictions import LabelledPrediction, rows_of
from assay.recipes.recipe import Head

# With fewer truncated rows, the cause of a low score lies elsewhere.
MANY_TRUNCATED = 0.05


def low_score_causes(predictions: Sequence[LabelledPrediction], head: Head) -> list[str]:
    """Return what is conspicuous about the predictions of a head for the test rows, one phrase each."""
    rows = rows_of(predictions, head)
    if not rows:
        return []
    alike = {"sentence": _one_class, "labels": _same_labels, "tokens": _no_entity}[head](rows)
    return [cause for cause in (alike, _truncated(rows)) if cause]


def _one_class(rows: Sequence[LabelledPrediction]) -> str:
    predicted, gold = {row.predicted for row in rows}, {row.gold for row in rows}
    if len(predicted) > 1 or len(gold) == 1:
        return ""
    return f"the model predicts one class only, {next(iter(predicted))!r}, for test rows of {len(gold)} classes"


def _same_labels(rows: Sequence[LabelledPrediction]) -> str:
    predicted, gold = {row.applied for row in rows}, {row.gold_labels for row in rows}
    if len(predicted) > 1 or len(gold) == 1:
        return ""
    names = ", ".join(map(repr, next(iter(predicted)))) or "none"
    return f"the model predicts the same labels for every test row, {names}"


def _no_entity(rows: Sequence[LabelledPrediction]) -> str:
    gold = sum(len(row.gold_entities or ()) for row in rows)
    if not gold or any(row.predicted_spans for row in rows):
        return ""
    return f"the model finds none of the {gold} entities of the test rows"


def _truncated(rows: Sequence[LabelledPrediction]) -> str:
    share = sum(row.truncated for row in rows) / len(rows)
    if share < MANY_TRUNCATED:
        return ""
    return (
        f"{share:.0%} of the test rows are longer than model.max_length, and the model did not read their ends; raise "
        "it, or set model.long_texts to windows"
    )
