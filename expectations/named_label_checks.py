"""The check that the rows have the classes, labels and entity types that the recipe names, long before the gate.

A name that no row has is a typo: a rule of the gate would test nothing, and the class that was meant would get the cost
of all others.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult
from assay.recipes.decision_section import cost_classes, costs_key
from assay.recipes.gate_rules import unknown_names
from assay.recipes.recipe import Head, Recipe

NAME = "classes that the recipe names"


class NamedLabels(NamedTuple):
    """The names that one key of a recipe gives for a head."""

    key: str
    head: Head
    names: Collection[str]


def named_label_checks(snapshot: Snapshot, recipe: Recipe) -> list[CheckResult]:
    """Return one critical check if a rule of the gate or a cost of the decision names classes, else none."""
    every = list(_named_labels(recipe))
    if not every:
        return []
    known: dict[Head, Mapping[str, int]] = {
        "sentence": snapshot.manifest.labels,
        "labels": snapshot.manifest.row_labels,
        "tokens": snapshot.manifest.entity_labels,
    }
    faults = [line for key, head, names in every for line in unknown_names(key, names, head, known[head], "the data")]
    unknown = [name for _, head, names in every for name in names if name not in known[head]]
    return [
        CheckResult(
            name=NAME,
            severity="critical",
            passed=not faults,
            measured=f"{len(unknown)} of {sum(len(named.names) for named in every)} without a row",
            required=f"a row for each class, label and entity type of {', '.join(named.key for named in every)}",
            why="; ".join(faults),
            invalid_ids=unknown[:20],
            invalid_count=len(unknown),
        )
    ]


def _named_labels(recipe: Recipe) -> Iterator[NamedLabels]:
    for head, rule in recipe.gate.min_recall.items():
        yield NamedLabels(f"gate.min_recall.{head}", head, rule)
    for head, names in cost_classes(recipe.decision).items():
        if names:
            yield NamedLabels(costs_key(head), head, names)
