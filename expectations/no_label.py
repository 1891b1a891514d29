"""The rows that were left out since their class means none."""

from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult
from assay.recipes.recipe import Recipe

NAME = "rows without a label"


def no_label_checks(snapshot: Snapshot, recipe: Recipe) -> list[CheckResult]:
    """Return one noted check with the number of rows that `source.no_label` left out; none without such rows."""
    count = snapshot.manifest.counts.no_label
    if not count:
        return []
    values = ", ".join(map(repr, [*recipe.source.no_label, ""]))
    return [
        CheckResult(
            name=NAME,
            severity="info",
            passed=False,
            measured=counted(count, "row"),
            required="none",
            why=f"{counted(count, 'row')} without a label (one of {values}, source.no_label) left out; assay labels "
            "suggest says which of them to label next",
            invalid_count=count,
        )
    ]
