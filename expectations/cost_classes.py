"""The check that the costs of a decision name classes and entity types of the rows."""

import difflib
from collections.abc import Iterator, Mapping

from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult
from assay.recipes.decision_section import cost_classes
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
    named = [(head, label) for head, labels in cost_classes(recipe.decision).items() for label in labels]
    if not named:
        return []
    unknown = [(head, label) for head, label in named if label not in counts[head]]
    return [
        CheckResult(
            name=NAME,
            severity="critical",
            passed=not unknown,
            measured=f"{len(unknown)} of {len(named)} classes without a row",
            required="a row for each class (decision.HEAD.costs.wrong_by_class)",
            why="; ".join(_unknown(unknown, counts)),
            invalid_ids=[label for _, label in unknown][:20],
            invalid_count=len(unknown),
        )
    ]


def _unknown(unknown: list[tuple[Head, str]], counts: Mapping[Head, Mapping[str, int]]) -> Iterator[str]:
    for head, label in unknown:
        near = difflib.get_close_matches(label, list(counts[head]), n=1, cutoff=0.3)
        remedy = f"did you mean {near[0]!r}?" if near else "remove it"
        yield f"no row has the label {label!r} of decision.{head}.costs.wrong_by_class; {remedy}"
