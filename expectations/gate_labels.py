"""The check that the classes and entity types of `gate.min_recall` are in the data, long before the gate."""

from collections.abc import Mapping

from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult
from assay.recipes.gate_rules import unknown_names
from assay.recipes.recipe import Head, Recipe

NAME = "classes of the gate"


def gate_label_checks(snapshot: Snapshot, recipe: Recipe) -> list[CheckResult]:
    """Return one critical check if the gate has rules about single classes or entity types, else none."""
    rules = recipe.gate.min_recall
    if not rules:
        return []
    known: dict[Head, Mapping[str, int]] = {
        "sentence": snapshot.manifest.labels,
        "labels": snapshot.manifest.row_labels,
        "tokens": snapshot.manifest.entity_labels,
    }
    unknown = {head: [name for name in rule if name not in known[head]] for head, rule in rules.items()}
    faults = [
        line
        for head, rule in rules.items()
        for line in unknown_names(f"gate.min_recall.{head}", rule, head, list(known[head]), "the data")
    ]
    names = [name for head in rules for name in unknown[head]]
    return [
        CheckResult(
            name=NAME,
            severity="critical",
            passed=not faults,
            measured=f"{len(names)} of {sum(map(len, rules.values()))} without a row",
            required="rows of every class and entity type of gate.min_recall",
            why="; ".join(faults),
            invalid_ids=names[:20],
            invalid_count=len(names),
        )
    ]
