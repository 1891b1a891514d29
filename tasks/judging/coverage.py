"""Classes and entity types of the bundle that no test row holds: nothing is known of them."""

from recipes.recipe import Head
from tasks.judging.case import Case
from tasks.scoring.answers import rows_of
from tasks.verdict import Check

_KINDS: dict[Head, str] = {"sentence": "class", "tokens": "entity type"}


def check_coverage(case: Case, head: Head) -> list[Check]:
    """Name each class or entity type that the bundle predicts and no test row holds; no check where all are tested."""
    manifest, rows = case.bundle.manifest, rows_of(case.evaluation.rows, head)
    if head == "sentence":
        known, tested = set(manifest.labels), {str(row.gold) for row in rows}
    else:
        known = {tag.partition("-")[2] for tag in manifest.tags} - {""}
        tested = {entity.label for row in rows for entity in row.gold_entities or ()}
    return [_untested(f"{_KINDS[head]}: {name} ({head})", case.rules.allow_untested) for name in sorted(known - tested)]


def _untested(name: str, allowed: bool) -> Check:
    remedy = "the recipe allows that" if allowed else "add rows, raise split.test, or set gate.allow_untested"
    return Check(
        name=name,
        measured="not tested: no test row",
        required="at least one test row",
        passed=allowed,
        why=f"the model predicts it, but no test row holds it; {remedy}",
        judged=not allowed,
    )
