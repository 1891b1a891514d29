"""The check that the costs of a decision name classes and entity types of the rows."""

from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult
from assay.recipes.decision_section import cost_classes, costs_key
from assay.recipes.gate_rules import unknown_names
from assay.recipes.recipe import Head, Recipe

NAME = "classes of decision costs"


def cost_class_checks(snapshot: Snapshot, recipe: Recipe) -> list[CheckResult]:
    """Return one check if the recipe gives costs by class, else none.

    A cost of a class that no row has is a typo, and the class that was meant would get the cost of all others.
    """
    counts: dict[Head, dict[str, int]] = {
        "sentence": snapshot.manifest.labels,
        "labels": snapshot.manifest.row_labels,
        "tokens": snapshot.manifest.entity_labels,
    }
    named = {head: names for head, names in cost_classes(recipe.decision).items() if names}
    if not named:
        return []
    unknown = [name for head, names in named.items() for name in names if name not in counts[head]]
    lines = [
        line
        for head, names in named.items()
        for line in unknown_names(costs_key(head), names, head, list(counts[head]), "the data")
    ]
    return [
        CheckResult(
            name=NAME,
            severity="critical",
            passed=not unknown,
            measured=f"{len(unknown)} of {sum(map(len, named.values()))} classes without a row",
            required="a row for each class (decision.HEAD.costs.wrong_by_class)",
            why="; ".join(lines),
            invalid_ids=unknown[:20],
            invalid_count=len(unknown),
        )
    ]
