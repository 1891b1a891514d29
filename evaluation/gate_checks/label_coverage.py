"""Check for classes, labels and entity types of the bundle that no test row holds."""

from typing import Any

from assay.corpus.example import LABEL_KINDS
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.labelled_predictions import rows_of
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head


def check_coverage(context: GateContext[Any], head: Head) -> list[Check]:
    """Return one check per class, label or entity type that the bundle predicts and no test row holds."""
    manifest, rows = context.bundle.manifest, rows_of(context.evaluation.rows, head)
    if head == "sentence":
        known, tested = set(manifest.labels), {str(row.gold) for row in rows}
    elif head == "labels":
        known, tested = set(manifest.row_labels), {name for row in rows for name in row.gold_labels or ()}
    else:
        known = set(manifest.entity_types)
        tested = {entity.label for row in rows for entity in row.gold_entities or ()}
    return [
        _untested(f"{LABEL_KINDS[head]}: {name} ({head})", context.rules.allow_untested)
        for name in sorted(known - tested)
    ]


def _untested(name: str, allowed: bool) -> Check:
    remedy = "the recipe allows that" if allowed else "add rows, raise split.test, or set gate.allow_untested"
    return Check(
        name=name,
        measured="not tested: no test row",
        required="at least one test row",
        passed=allowed,
        why=f"the model predicts it, but no test row holds it; {remedy}",
        tested=not allowed,
    )
